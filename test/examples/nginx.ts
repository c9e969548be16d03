/** nginx for a script that looks for it on PATH. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findWebProgram, nginx } from '../servers/web-program.js';

/** Puts a program called `nginx` into `folder`, which the caller has on PATH. Rejects with one clear line. */
export async function provideNginx(folder: string): Promise<void> {
  const { file, env } = await findWebProgram(nginx);
  const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`);
  await writeFile(join(folder, 'nginx'), `#!/bin/sh\n${exports.join('')}exec '${file}' "$@"\n`);
  await chmod(join(folder, 'nginx'), 0o755);
}
