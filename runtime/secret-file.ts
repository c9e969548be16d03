/**
 * Secrets come from files, never from a URL or argv, where every process could read them. A file that others can read is
 * refused: it is a secret no more.
 */
import { open } from 'node:fs/promises';
import { reject } from './expected.js';

const MAX_BYTES = 4096;

/**
 * The text of `file` without surrounding white space. Throws BAD_INPUT at `path` when it is missing, no regular file,
 * larger than 4096 bytes, or readable by group or others. The message never holds what is in it.
 */
export async function readSecretFile(file: string, path: string): Promise<string> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) =>
    reject(path, 'a file that can be read', `${error.code ?? 'an error'} for ${file}`),
  );
  try {
    const found = await handle.stat();
    if (!found.isFile()) return reject(path, 'a regular file', `something else at ${file}`);
    if ((found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o777).toString(8);
      return reject(path, 'a file that only its owner can read (mode 600 or 400)', `mode ${mode} of ${file}`);
    }
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead > MAX_BYTES) return reject(path, `at most ${MAX_BYTES} bytes`, `more in ${file}`);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await handle.close();
  }
}
