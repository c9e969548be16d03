/** How many requests of calls each endpoint has now, in all handles of the service. */
export class InFlight {
  readonly #counts = new Map<string, number>();

  /** @param id The instance's. The returned function ends it; to be called once. */
  begin(id: string): () => void {
    this.#counts.set(id, this.of(id) + 1);
    return () => this.#end(id);
  }

  of(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Those that have `limit` requests or more. O(endpoints with a request). */
  full(limit: number): string[] {
    return [...this.#counts].filter(([, count]) => count >= limit).map(([id]) => id);
  }

  #end(id: string): void {
    const left = this.of(id) - 1;
    if (left > 0) this.#counts.set(id, left);
    else this.#counts.delete(id);
  }
}
