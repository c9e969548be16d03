/** A binary min-heap of small integers, each with a numeric key, on typed arrays: it allocates nothing after birth. */

export class IndexHeap {
  readonly #keys: Float64Array;
  readonly #items: Int32Array;
  #size = 0;

  /** Holds items from 0 to `capacity` - 1, each at most once. */
  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
    this.#items = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The lowest key; Infinity when empty. */
  get lowestKey(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#keys[0] as number);
  }

  push(item: number, key: number): void {
    const keys = this.#keys;
    const items = this.#items;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((keys[parent] as number) <= key) break;
      keys[at] = keys[parent] as number;
      items[at] = items[parent] as number;
      at = parent;
    }
    keys[at] = key;
    items[at] = item;
  }

  /** Removes the item with the lowest key. Not to be called when empty. */
  pop(): number {
    const lowest = this.#items[0] as number;
    const last = --this.#size;
    this.#sink(this.#items[last] as number, this.#keys[last] as number, last);
    return lowest;
  }

  /** Puts an item in at the top of the first `size` places and lets it sink to where it belongs. */
  #sink(item: number, key: number, size: number): void {
    const keys = this.#keys;
    const items = this.#items;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child++;
      if ((keys[child] as number) >= key) break;
      keys[at] = keys[child] as number;
      items[at] = items[child] as number;
      at = child;
    }
    keys[at] = key;
    items[at] = item;
  }
}
