/**
 * The ACL token: from a file or from the environment, never from a URL or argv, where every process could read it.
 * No error message ever holds it.
 */
import { reject } from '../../runtime/expected.js';
import { readSecretFile } from '../../runtime/secret-file.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A Consul token is a UUID; anything longer than this is another file. */
const MAX_TOKEN_BYTES = 4096;

/**
 * The token of `tokenFile`, else of the file named by CONSUL_HTTP_TOKEN_FILE, else CONSUL_HTTP_TOKEN, else none.
 * Read once. Throws BAD_INPUT for a file that is missing, empty, or readable by group or others.
 */
export async function readToken(
  tokenFile: string | undefined,
  env: Environment,
): Promise<string | undefined> {
  if (tokenFile !== undefined) return tokenFrom(tokenFile, 'registry?tokenFile');
  const file = env.CONSUL_HTTP_TOKEN_FILE;
  if (file) return tokenFrom(file, 'CONSUL_HTTP_TOKEN_FILE');
  const token = env.CONSUL_HTTP_TOKEN;
  return token ? checked(token, 'CONSUL_HTTP_TOKEN') : undefined;
}

async function tokenFrom(file: string, path: string): Promise<string> {
  return checked(await readSecretFile(file, path), path);
}

function checked(text: string, path: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= MAX_TOKEN_BYTES) return token;
  return reject(path, 'one token of printable characters without spaces', `${token.length} characters`);
}
