/**
 * The tree as a clone would have it, in a folder of its own and set up by another Node: dependencies installed and, where that can
 * be, compiled for it, then built.
 */
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type Environment, exists, run } from '../servers/environment.js';
import { withoutNpm } from './npm.js';

/** @param bin Where programs of the copy look first: `node` is the one that the copy is for. */
export async function environmentFor(node: string, bin: string, env: Environment): Promise<Environment> {
  await mkdir(bin, { recursive: true });
  await symlink(node, join(bin, 'node'));
  return {
    ...withoutNpm(env),
    npm_execpath: env.npm_execpath,
    PATH: [bin, env.PATH].join(delimiter),
    ...(await headersOf(node)),
  };
}

/** What compiles for another Node must not see the headers of the one that runs this. */
async function headersOf(node: string): Promise<Environment> {
  if (node === process.execPath) return {};
  const prefix = dirname(dirname(node));
  return { npm_config_nodedir: (await exists(join(prefix, 'include', 'node'))) ? prefix : '' };
}

export class FreshCopy implements AsyncDisposable {
  readonly root: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.root = join(folder, 'tree');
  }

  /** What git knows of the tree, and new files that it does not ignore. */
  static async of(root: string, env: Environment): Promise<FreshCopy> {
    const copy = new FreshCopy(await mkdtemp(join(tmpdir(), 'pilotfish-copy-')));
    const listing = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const files = (await run('git', listing, { env, cwd: root })).split('\0').filter((file) => file !== '');
    for (const file of files) {
      // A file that is removed is in git's list until that is committed.
      if (await exists(join(root, file))) await cp(join(root, file), join(copy.root, file));
    }
    return copy;
  }

  get bin(): string {
    return join(this.#folder, 'bin');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
