/**
 * A one-slot channel from callbacks to `for await`: a slow consumer sees the newest value and none of those between.
 * Right for whole lists, where level beats edge; wrong for events that each count.
 */
import { deferred } from './deferred.js';

export class Latest<T> implements AsyncIterable<T> {
  #slot: { readonly value: T } | undefined;
  #end: { readonly error?: unknown } | undefined;
  #wake = deferred<void>();

  /** Replaces whatever was not consumed yet. Ignored after the end. */
  push(value: T): void {
    if (this.#end !== undefined) return;
    this.#slot = { value };
    this.#wake.resolve();
  }

  /** Ends the iteration after the last value was consumed. */
  end(): void {
    this.#end ??= {};
    this.#wake.resolve();
  }

  /** Makes the iteration throw at once: an unconsumed value may be wrong by now. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#slot = undefined;
    this.#end = { error };
    this.#wake.resolve();
  }

  /** To be iterated by one consumer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      await this.#wake.promise;
      this.#wake = deferred<void>();
      if (this.#slot !== undefined) {
        const { value } = this.#slot;
        this.#slot = undefined;
        if (this.#end !== undefined) this.#wake.resolve();
        yield value;
      } else if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error;
        return;
      }
    }
  }
}
