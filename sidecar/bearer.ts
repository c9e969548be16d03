/** Secrets that requests carry in `Authorization: Bearer …`: where they come from and how they are compared. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { reject } from '../runtime/expected.js';
import { readSecretFile } from '../runtime/secret-file.js';

const MIN_LENGTH = 16;

/**
 * The secret in `file`. Throws BAD_INPUT at `path` when others can read the file, or when what it holds could not stand
 * in a header or is short enough to be guessed.
 */
export async function readBearerSecret(file: string, path: string): Promise<string> {
  const secret = await readSecretFile(file, path);
  if (/^[\x21-\x7e]+$/.test(secret) && secret.length >= MIN_LENGTH) return secret;
  return reject(
    path,
    `a file with a secret of ${MIN_LENGTH} or more printable characters`,
    `none in ${file}`,
  );
}

/** Takes as long whatever is given: digests are compared, which have one length and tell nothing. */
export function bears(authorization: string | undefined, secret: string): boolean {
  const [, given] = /^bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
  return timingSafeEqual(digest(given ?? ''), digest(secret)) && given !== undefined;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
