/** The few reads and writes of keys that a registry needs. Every write is conditional, so that it may be sent twice. */

import { PilotfishError } from '../../runtime/errors.js';
import { describe } from '../../runtime/expected.js';
import { type Fields, fieldsOf } from '../../runtime/fields.js';
import { nextTurn } from '../../runtime/next-turn.js';
import type { CallOptions, EtcdClient } from './client.js';
import { headerOf, type KeyValue, keyValueOf, listOf } from './decode.js';
import { type KeyRange, keyAfter, toBase64 } from './keys.js';

/** Each page costs etcd a walk over all keys that follow; its JSON is read in one turn of the event loop. */
const PAGE = 2_000;
/** Keys that are decoded in one turn. */
const DECODED_A_TURN = 500;
/** etcd takes up to 128 operations in one transaction. */
const LOOKS_PER_CALL = 100;

export interface Entry {
  readonly value: Uint8Array;
  readonly lease: string;
}

/** `done`: written; `found` is what is there instead of what was expected, undefined for nothing. */
export type Written =
  | { readonly done: true; readonly revision: number }
  | { readonly done: false; readonly found: KeyValue | undefined };

export interface RangeOptions extends CallOptions {
  /** Whatever one member knows, without asking the quorum: may be old. */
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
}

export class Store {
  readonly #client: EtcdClient;

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  async get(key: string, options: CallOptions): Promise<KeyValue | undefined> {
    const { kvs } = await this.#client.call('kv/range', { key: toBase64(key) }, options);
    return firstOf(kvs);
  }

  /** What is there of `keys`, and the revision at which it was. Values are left out. */
  async look(
    keys: readonly string[],
    options: CallOptions,
  ): Promise<{ found: ReadonlyMap<string, KeyValue>; revision: number }> {
    const found = new Map<string, KeyValue>();
    let revision = Number.POSITIVE_INFINITY;
    for (let at = 0; at < keys.length; at += LOOKS_PER_CALL) {
      const success = keys
        .slice(at, at + LOOKS_PER_CALL)
        .map((key) => ({ request_range: { key: toBase64(key), keys_only: true } }));
      const answer = await this.#client.call('kv/txn', { success }, options);
      revision = Math.min(revision, headerOf(answer).revision);
      for (const response of listOf(answer.responses)) {
        const kv = firstOf(fieldsOf(fieldsOf(response).response_range).kvs);
        if (kv !== undefined) found.set(kv.key, kv);
      }
    }
    return { found, revision };
  }

  /**
   * Everything in the range at one revision, in parts that `take` gets in order. While one page is decoded, etcd works on
   * the next. Returns the revision.
   */
  async list(
    range: KeyRange,
    { serializable = false, keysOnly = false, ...options }: RangeOptions,
    take: (part: readonly KeyValue[]) => void,
  ): Promise<number> {
    const call = serializable ? this.#client.callQuietly : this.#client.call;
    const ask = (from: string, revision: number): Promise<Fields> => {
      const body: Fields = {
        ...{ key: toBase64(from), range_end: toBase64(range.to), limit: PAGE },
        ...{ keys_only: keysOnly, serializable, revision },
      };
      return call.call(this.#client, 'kv/range', body, options);
    };
    let from = range.from;
    let answer = await ask(from, 0);
    const { revision } = headerOf(answer);
    for (;;) {
      const page = listOf(answer.kvs);
      const isLast = answer.more !== true;
      if (!isLast) from = keyAfterAll(page, from);
      const next = isLast ? undefined : ask(from, revision);
      // It shows when it is awaited.
      next?.catch(() => {});
      for (let at = 0; at < page.length; at += DECODED_A_TURN) {
        await nextTurn();
        take(page.slice(at, at + DECODED_A_TURN).map(keyValueOf));
      }
      if (next === undefined) return revision;
      answer = await next;
    }
  }

  /** Puts the key with its lease if its last change was at `expected`, 0 for a key that is not there. */
  put(key: string, { value, lease }: Entry, expected: number, options: CallOptions): Promise<Written> {
    const request_put = { key: toBase64(key), value: toBase64(value), lease };
    return this.#writeIf(key, expected, { request_put }, options);
  }

  /** Deletes the key if its last change was at `expected`. */
  delete(key: string, expected: number, options: CallOptions): Promise<Written> {
    return this.#writeIf(key, expected, { request_delete_range: { key: toBase64(key) } }, options);
  }

  async #writeIf(key: string, expected: number, write: Fields, options: CallOptions): Promise<Written> {
    const body = {
      compare: [{ key: toBase64(key), target: 'MOD', result: 'EQUAL', mod_revision: String(expected) }],
      success: [write],
      failure: [{ request_range: { key: toBase64(key) } }],
    };
    const answer = await this.#client.call('kv/txn', body, options);
    if (answer.succeeded === true) return { done: true, revision: headerOf(answer).revision };
    const [response] = listOf(answer.responses);
    return { done: false, found: firstOf(fieldsOf(fieldsOf(response).response_range).kvs) };
  }
}

/** Where the next page begins. Throws UNAVAILABLE for a page that comes no further, which would be asked for without end. */
function keyAfterAll(page: readonly unknown[], from: string): string {
  const key = page.length === 0 ? undefined : keyValueOf(page.at(-1)).key;
  if (key !== undefined && Buffer.compare(Buffer.from(key), Buffer.from(from)) >= 0) return keyAfter(key);
  throw new PilotfishError(
    'UNAVAILABLE',
    `expected keys from ${describe(from)} on, got ${describe(key)}, at kv/range`,
  );
}

function firstOf(kvs: unknown): KeyValue | undefined {
  const [first] = listOf(kvs);
  return first === undefined ? undefined : keyValueOf(first);
}
