/**
 * Tells that the text of the configuration file has changed since it was loaded, however it was replaced: written, renamed
 * over, relinked.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { watchDirectory } from '../../registry/directory-watch.js';
import type { Clock } from '../../runtime/clock.js';
import type { ConfigFile } from './load.js';

/** For a change that no event tells of. */
const POLL_MS = 2_000;

/** Whoever writes the file in several steps is done by then. */
const SETTLE_MS = 200;

/** Calls back once for each text that differs from the one before. Returns what ends it. */
export function watchConfigFile({ path, text }: ConfigFile, onChange: () => void, clock: Clock): () => void {
  let known = text;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    // A file that is gone for a moment is one that is being replaced.
    const found = await readFile(path, 'utf8').catch(() => known);
    const isNew = found !== known;
    known = found;
    if (isNew) onChange();
  };
  void look();
  const end = watchDirectory(
    dirname(path),
    () => {
      cancel();
      cancel = clock.after(SETTLE_MS, () => void look());
    },
    { clock, pollMs: POLL_MS },
  );
  return () => {
    cancel();
    end();
  };
}
