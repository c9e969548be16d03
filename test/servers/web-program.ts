/**
 * nginx and HAProxy: programs that serve whatever their configuration says, so there is no one way to start them as there
 * is for a registry. On PATH, else Debian's package in the cache. Never none.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debianTree } from './debian.js';
import { type Environment, findOnPath } from './environment.js';

export interface WebKind {
  readonly name: 'nginx' | 'haproxy';
  /** What is unpacked: the package and the libraries that a slim machine may lack; libc is the machine's own. */
  readonly packages: RegExp;
  /** How to serve one configuration file, in the foreground, everything else below `folder`. */
  args(configFile: string, folder: string): readonly string[];
}

export const nginx: WebKind = {
  name: 'nginx',
  packages: /^(nginx|nginx-common|libpcre2-8-0|libssl3(t64)?|zlib1g|libcrypt1)$/,
  args: (configFile, folder) => ['-p', folder, '-c', configFile],
};

export const haproxy: WebKind = {
  name: 'haproxy',
  packages: /^(haproxy|liblua5\.\d-0|libopentracing.*|libpcre2-8-0|libssl3(t64)?|zlib1g|libcrypt1)$/,
  args: (configFile) => ['-db', '-f', configFile],
};

export interface WebProgram {
  readonly file: string;
  /** Where its libraries are, unless the machine has them. */
  readonly env: Environment;
}

/** Rejects with one clear line. */
export async function findWebProgram(
  { name, packages }: WebKind,
  env: Environment = process.env,
): Promise<WebProgram> {
  const installed = (await findOnPath(name, env)) ?? (await findOnPath(name, { PATH: '/usr/sbin' }));
  if (installed !== undefined) return { file: installed, env: {} };
  try {
    const tree = await debianTree({ name, root: name, keep: packages }, env);
    return { file: join(tree, 'usr/sbin', name), env: { LD_LIBRARY_PATH: await libraryPath(tree) } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot go on without ${name}: it is not on PATH, Debian packages: ${reason}. ` +
        `Install ${name}, or let apt-get reach a Debian mirror.`,
      { cause: error },
    );
  }
}

/** Debian keeps libraries in a folder for each architecture. */
async function libraryPath(tree: string): Promise<string> {
  const parts = ['usr/lib', 'lib'].map(async (part) => {
    const names = await readdir(join(tree, part)).catch(() => []);
    return names.filter((name) => name.includes('-linux-gnu')).map((name) => join(tree, part, name));
  });
  return (await Promise.all(parts)).flat().join(':');
}
