/**
 * Typed events. An `Event<T>` is a function that takes a listener and returns what ends the subscription; the emitter
 * stays private to its owner, so nobody outside can fire it.
 */

export type Event<T> = (listener: (value: T) => void) => () => void;

export class Emitter<T> {
  readonly #listeners = new Set<{ readonly call: (value: T) => void }>();

  readonly event: Event<T> = (listener) => {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  };

  /**
   * Calls every listener in the order of subscription. One that throws stops no other; its error surfaces as an
   * uncaught exception, as it would from any event emitter, and is never swallowed.
   */
  emit(value: T): void {
    for (const { call } of [...this.#listeners]) {
      try {
        call(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
