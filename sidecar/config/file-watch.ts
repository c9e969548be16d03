/** Tells that the text of the configuration file has changed, however it was replaced: written, renamed over, relinked. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { watchDirectory } from '../../registry/directory-watch.js';
import type { Clock } from '../../runtime/clock.js';

/** For a change that no event tells of. */
const POLL_MS = 2_000;

/** Whoever writes the file in several steps is done by then. */
const SETTLE_MS = 200;

/** Calls back once for each text that differs from the one before. Returns what ends it. */
export function watchConfigFile(file: string, onChange: () => void, clock: Clock): () => void {
  let known: string | undefined;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    // A file that is gone for a moment is one that is being replaced.
    const text = await readFile(file, 'utf8').catch(() => known);
    const isNew = known !== undefined && text !== known;
    known = text;
    if (isNew) onChange();
  };
  void look();
  const end = watchDirectory(
    dirname(file),
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
