/**
 * Whatever starts something returns what ends it; a close stack collects those ends and runs them last-opened-first.
 * Closing is idempotent and goes on past a failing closer.
 */

export type Closer = () => void | Promise<void>;

export class CloseStack {
  readonly #closers = new Set<Closer>();
  #closing: Promise<void> | undefined;

  /**
   * Runs `closer` when the stack closes; at once when it is closed already. The returned function takes it off the
   * stack again, for what has ended by itself. A closer is deferred once.
   */
  defer(closer: Closer): () => void {
    if (this.#closing === undefined) this.#closers.add(closer);
    else void closer();
    return () => this.#closers.delete(closer);
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Resolves when every closer has ended. Rejects with an AggregateError of those that failed, after all ran. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const closer of [...this.#closers].reverse()) {
      try {
        await closer();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} closers failed`);
  }
}
