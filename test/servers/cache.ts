/**
 * Folders of the cache, each filled once. It is filled in a temporary folder beside its place and renamed into it, so several
 * runs at once cannot spoil it, and one that is killed leaves nothing that looks complete.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, type Environment, exists } from './environment.js';

/**
 * The full path of the folder `name`, at once when it is there. @param fill Works in the empty folder that it is given, and
 * resolves with the folder to keep.
 */
export async function cached(
  name: string,
  env: Environment,
  fill: (work: string) => Promise<string>,
): Promise<string> {
  const home = join(cacheFolder(env), name);
  if (await exists(home)) return home;
  await mkdir(cacheFolder(env), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(env), '.new-'));
  try {
    await renameUnlessThere(await fill(work), home);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return home;
}

/** The other run won the race: its folder is as good as ours. */
async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(await exists(to))) throw error;
  }
}
