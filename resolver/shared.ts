/** Things that many share and that live from the first holder to the last. */

export interface Lease<V> {
  readonly value: V;
  /** Lets go. The value is closed when this was its last lease; resolves when that has ended. Idempotent. */
  release(): Promise<void>;
}

export class Shared<K, V> {
  readonly #entries = new Map<K, { readonly value: V; holders: number }>();
  readonly #close: (value: V) => void | Promise<void>;

  /** @param close Ends a value that nobody holds any more. */
  constructor(close: (value: V) => void | Promise<void>) {
    this.#close = close;
  }

  /** The value of `key`, opened now unless somebody holds it already. */
  acquire(key: K, open: () => V): Lease<V> {
    const entry = this.#entries.get(key) ?? { value: open(), holders: 0 };
    entry.holders++;
    this.#entries.set(key, entry);
    let released: Promise<void> | undefined;
    return {
      value: entry.value,
      release: () => {
        released ??= this.#letGo(key, entry);
        return released;
      },
    };
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value;
  }

  async #letGo(key: K, entry: { readonly value: V; holders: number }): Promise<void> {
    if (--entry.holders > 0) return;
    this.#entries.delete(key);
    await this.#close(entry.value);
  }
}
