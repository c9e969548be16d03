/**
 * The ACL token: from a file or from the environment, never from a URL or argv, where every process could read it.
 * A file is read again from time to time and whenever the token is refused, so that a rotated token is used without a
 * restart. No error message ever holds it.
 */
import type { Clock } from '../../runtime/clock.js';
import { isPilotfishError, messageOf } from '../../runtime/errors.js';
import { reject } from '../../runtime/expected.js';
import type { Logger } from '../../runtime/logger.js';
import { readSecretFile } from '../../runtime/secret-file.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A Consul token is a UUID; anything longer than this is another file. */
const MAX_TOKEN_BYTES = 4096;

/** How old what was read from a file may be. */
const FILE_AGE_MS = 10_000;

export interface TokenOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A file, and where it was named. */
interface TokenFile {
  readonly file: string;
  readonly path: string;
}

export class Token {
  readonly #source: TokenFile | undefined;
  readonly #options: TokenOptions;
  #text: string | undefined;
  #readAt: number;
  #isBroken = false;

  /** For `openToken`. @param source Undefined for a token that never changes. */
  constructor(text: string | undefined, source: TokenFile | undefined, options: TokenOptions) {
    this.#text = text;
    this.#source = source;
    this.#options = options;
    this.#readAt = options.clock.now();
  }

  /** Makes `call` with the token, and once more with the one that is in the file by now when it was DENIED. */
  async use<T>(call: (token: string | undefined) => Promise<T>): Promise<T> {
    if (this.#options.clock.now() - this.#readAt >= FILE_AGE_MS) await this.#readAgain();
    const token = this.#text;
    try {
      return await call(token);
    } catch (error) {
      if (!isPilotfishError(error, 'DENIED')) throw error;
      await this.#readAgain();
      if (this.#text === token) throw error;
      return call(this.#text);
    }
  }

  /** A file that cannot be read now is told once, and the last token kept: it may be half-way through its rotation. */
  async #readAgain(): Promise<void> {
    if (this.#source === undefined) return;
    const { clock, logger } = this.#options;
    this.#readAt = clock.now();
    try {
      this.#text = await tokenFrom(this.#source);
      this.#isBroken = false;
    } catch (error) {
      if (!this.#isBroken)
        logger.warn({ cause: messageOf(error) }, 'could not read the token again, keeping the last');
      this.#isBroken = true;
    }
  }
}

/**
 * The token of `tokenFile`, else of the file named by CONSUL_HTTP_TOKEN_FILE, else CONSUL_HTTP_TOKEN, else none.
 * Throws BAD_INPUT for a file that is missing, empty, or readable by group or others.
 */
export async function openToken(
  tokenFile: string | undefined,
  env: Environment,
  options: TokenOptions,
): Promise<Token> {
  const source = sourceOf(tokenFile, env);
  if (source !== undefined) return new Token(await tokenFrom(source), source, options);
  const token = env.CONSUL_HTTP_TOKEN;
  return new Token(token ? checked(token, 'CONSUL_HTTP_TOKEN') : undefined, undefined, options);
}

function sourceOf(tokenFile: string | undefined, env: Environment): TokenFile | undefined {
  if (tokenFile !== undefined) return { file: tokenFile, path: 'registry?tokenFile' };
  const file = env.CONSUL_HTTP_TOKEN_FILE;
  return file ? { file, path: 'CONSUL_HTTP_TOKEN_FILE' } : undefined;
}

async function tokenFrom({ file, path }: TokenFile): Promise<string> {
  return checked(await readSecretFile(file, path), path);
}

function checked(text: string, path: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= MAX_TOKEN_BYTES) return token;
  return reject(path, 'one token of printable characters without spaces', `${token.length} characters`);
}
