/**
 * Tells that something in a directory may have changed: at once through the system's own events where it has them,
 * and by a slow poll always, because events are lost on network file systems and when the watch limit is reached.
 * A false alarm is cheap for every caller; a missed change would not be.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Clock } from '../runtime/clock.js';

export interface DirectoryWatchOptions {
  readonly clock: Clock;
  /** How often the directory's own time stamp is compared. */
  readonly pollMs: number;
}

/**
 * Calls `onChange` after each possible change of the names in `path`, which need not exist yet. Returns what ends it.
 */
export function watchDirectory(
  path: string,
  onChange: () => void,
  options: DirectoryWatchOptions,
): () => void {
  let watcher: FSWatcher | undefined;
  let cancel: () => void = () => {};
  let stamp: string | undefined;
  let ended = false;

  const attach = (): void => {
    try {
      watcher = watch(path, { persistent: false }, onChange);
      watcher.on('error', detach);
    } catch {
      watcher = undefined; // The directory is missing or the limit of watches is reached: the poll goes on.
    }
  };
  const detach = (): void => {
    watcher?.close();
    watcher = undefined;
  };
  const poll = async (): Promise<void> => {
    const found = await stampOf(path);
    if (ended) return;
    if (found !== stamp) {
      // Another inode under the same name is another directory: the old watch would stay silent.
      if (inodeOf(found) !== inodeOf(stamp)) detach();
      stamp = found;
      onChange();
    }
    if (watcher === undefined && found !== undefined) attach();
    cancel = options.clock.after(options.pollMs, poll);
  };

  void poll();
  return () => {
    ended = true;
    cancel();
    detach();
  };
}

async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${mtimeNs}`;
  } catch {
    return undefined;
  }
}

function inodeOf(stamp: string | undefined): string | undefined {
  return stamp?.split(':')[0];
}
