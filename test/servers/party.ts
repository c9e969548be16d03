/**
 * Software of others that a test wants to meet for real: the one that is installed, else Debian's package in the cache. Never
 * none: a test of how two parties get along says nothing without the other one.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debianTree, type Wanted } from './debian.js';
import { type Environment, findOnPath } from './environment.js';

export interface Party<T> {
  /** For people, in the error. */
  readonly name: string;
  /** Undefined when it is not installed. */
  readonly installed: (env: Environment) => Promise<T | undefined>;
  readonly wanted: Wanted;
  /** What `installed` would have found, in the unpacked packages. */
  readonly inTree: (tree: string) => Promise<T> | T;
}

export interface Program {
  readonly file: string;
  /** What it needs in its environment to find its libraries. */
  readonly env: Environment;
}

/** @param packages besides its own one, those of libraries that a machine may lack */
export function program(name: string, packageName: string, ...packages: readonly string[]): Party<Program> {
  const all = [packageName, ...packages];
  return {
    name,
    installed: async (env) => {
      const file = (await findOnPath(name, env)) ?? (await findOnPath(name, { PATH: '/usr/sbin' }));
      return file === undefined ? undefined : { file, env: {} };
    },
    wanted: { name: packageName, roots: [packageName], keep: new RegExp(`^(${all.join('|')})$`) },
    inTree: async (tree) => {
      const file = (await findOnPath(name, { PATH: `${tree}/usr/bin:${tree}/usr/sbin` })) ?? name;
      return { file, env: packages.length === 0 ? {} : { LD_LIBRARY_PATH: await librariesIn(tree) } };
    },
  };
}

/** Rejects with one line that says how to supply it. */
export async function findParty<T>(party: Party<T>, env: Environment = process.env): Promise<T> {
  const found = await party.installed(env);
  if (found !== undefined) return found;
  try {
    return await party.inTree(await debianTree(party.wanted, env));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot test without ${party.name}: it is not installed, Debian packages: ${reason}. ` +
        'Install it, or let apt-get reach a Debian mirror.',
      { cause: error },
    );
  }
}

/** The folders of one machine's kind, such as `usr/lib/x86_64-linux-gnu`. */
async function librariesIn(tree: string): Promise<string> {
  const folders = await Promise.all(
    ['usr/lib', 'lib'].map(async (part) => {
      const names = await readdir(join(tree, part)).catch(() => []);
      return names.filter((name) => name.includes('-linux-gnu')).map((name) => join(tree, part, name));
    }),
  );
  return folders.flat().join(':');
}
