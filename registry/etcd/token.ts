/**
 * User and password from a file, and the token that etcd gives for them. A token ends after five minutes without use and
 * with the member's memory, so it is asked for anew whenever etcd says that it is no longer good.
 */
import type { Clock } from '../../runtime/clock.js';
import { isPilotfishError } from '../../runtime/errors.js';
import { reject } from '../../runtime/expected.js';
import { readSecretFile } from '../../runtime/secret-file.js';
import { isRefusal } from './refusal.js';

/** etcd spends a tenth of a second of its time on each password, so a wrong one is not sent again at once. */
const AFTER_REFUSAL_MS = 10_000;

/** Sends user and password to a member and returns the token. */
export type Authenticate = (name: string, password: string) => Promise<string>;

export class Tokens {
  readonly #file: string;
  readonly #clock: Clock;
  #token: Promise<string | undefined> | undefined;
  #refused: { readonly error: unknown; readonly until: number } | undefined;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** The token in use, asked for when there is none; undefined where the cluster wants none. Rejects DENIED. */
  async current(authenticate: Authenticate): Promise<string | undefined> {
    if (this.#refused !== undefined && this.#clock.now() < this.#refused.until) throw this.#refused.error;
    this.#token ??= this.#ask(authenticate);
    return this.#token;
  }

  /** The token was refused. Nothing happens when another is in use already. */
  async drop(token: string | undefined): Promise<void> {
    const current = this.#token;
    if ((await current?.catch(() => undefined)) === token && this.#token === current) this.#token = undefined;
  }

  async #ask(authenticate: Authenticate): Promise<string | undefined> {
    try {
      const { name, password } = await readCredentials(this.#file);
      return await authenticate(name, password);
    } catch (error) {
      if (isRefusal(error, 'authentication is off')) return undefined;
      this.#token = undefined;
      if (isPilotfishError(error, 'DENIED')) {
        this.#refused = { error, until: this.#clock.now() + AFTER_REFUSAL_MS };
      }
      throw error;
    }
  }
}

/** Read each time, so that a rotated secret is used by the next token. */
async function readCredentials(file: string): Promise<{ name: string; password: string }> {
  const path = 'registry?authFile';
  const [, name, password] = /^([^:\s]+):(\S+)$/.exec(await readSecretFile(file, path)) ?? [];
  if (name !== undefined && password !== undefined) return { name, password };
  return reject(path, 'user:password on one line', `something else in ${file}`);
}
