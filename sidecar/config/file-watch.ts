/**
 * Tells that the text of the configuration file has changed since it was loaded, however it was replaced: written, renamed
 * over, relinked. Events tell it at once where the directory has them; behind a link to another directory or a mount of
 * the file alone it has none, so the text itself is compared every two seconds.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { watchDirectory } from '../../registry/directory-watch.js';
import type { Clock } from '../../runtime/clock.js';
import { coalesced } from '../../runtime/coalesced.js';
import type { ConfigFile } from './load.js';

/** For a change that no event tells of. */
const POLL_MS = 2_000;

/** Whoever writes the file in several steps is done by then. */
const SETTLE_MS = 200;

/** Calls back once for each text that differs from the one before. Returns what ends it. */
export function watchConfigFile({ path, text }: ConfigFile, onChange: () => void, clock: Clock): () => void {
  let known = text;
  let ended = false;
  let cancelLook = (): void => {};
  let cancelPoll = (): void => {};
  // A file that is gone for a moment is one that is being replaced.
  const read = (): Promise<string> => readFile(path, 'utf8').catch(() => known);
  const look = coalesced(async () => {
    const found = await read();
    if (ended || found === known) return;
    known = found;
    onChange();
  });
  const lookWhenSettled = (): void => {
    if (ended) return;
    cancelLook();
    cancelLook = clock.after(SETTLE_MS, () => void look());
  };
  const poll = async (): Promise<void> => {
    if ((await read()) !== known) lookWhenSettled();
    if (!ended) cancelPoll = clock.after(POLL_MS, poll);
  };
  void look();
  const endWatch = watchDirectory(dirname(path), lookWhenSettled, { clock, pollMs: POLL_MS });
  cancelPoll = clock.after(POLL_MS, poll);
  return () => {
    ended = true;
    cancelLook();
    cancelPoll();
    endWatch();
  };
}
