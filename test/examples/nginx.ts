/** nginx for a test: the one on PATH, else Debian's package in the cache. Never none. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianTree } from '../servers/debian.js';
import { type Environment, findOnPath } from '../servers/environment.js';

/** The libraries that a slim machine may lack; libc is the machine's own. */
const PACKAGES = /^(nginx|nginx-common|libpcre2-8-0|libssl3(t64)?|zlib1g|libcrypt1)$/;

/** Puts a program called `nginx` into `folder`, which the caller has on PATH. Rejects with one clear line. */
export async function provideNginx(folder: string, env: Environment = process.env): Promise<void> {
  const script = `#!/bin/sh\n${await commandLine(env)} "$@"\n`;
  await writeFile(join(folder, 'nginx'), script);
  await chmod(join(folder, 'nginx'), 0o755);
}

async function commandLine(env: Environment): Promise<string> {
  const installed = (await findOnPath('nginx', env)) ?? (await findOnPath('nginx', { PATH: '/usr/sbin' }));
  if (installed !== undefined) return `exec '${installed}'`;
  try {
    const tree = await debianTree({ name: 'nginx', roots: ['nginx'], keep: PACKAGES }, env);
    const libraries = ['usr/lib', 'lib'].map((part) => `'${tree}'/${part}/*-linux-gnu*`);
    const path = `LD_LIBRARY_PATH=$(echo ${libraries.join(' ')} | tr ' ' ':')`;
    return `export ${path}\nexec '${tree}/usr/sbin/nginx'`;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot test examples/nginx without nginx: it is not on PATH, Debian packages: ${reason}. ` +
        'Install nginx, or let apt-get reach a Debian mirror.',
      { cause: error },
    );
  }
}
