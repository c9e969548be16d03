/**
 * How often something happened lately, in ten slots of time: memory and work do not depend on how often that is. What
 * happened is forgotten slot by slot, after nine to ten tenths of the window.
 */
const SLOTS = 10;

export class WindowCount {
  readonly #slotMs: number;
  readonly #slots = new Array<number>(SLOTS).fill(0);
  #latest = 0;
  #total = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS;
  }

  add(nowMs: number): void {
    this.#forget(nowMs);
    const at = this.#latest % SLOTS;
    this.#slots[at] = (this.#slots[at] as number) + 1;
    this.#total++;
  }

  total(nowMs: number): number {
    this.#forget(nowMs);
    return this.#total;
  }

  /** Empties the slots that were entered since the last look. */
  #forget(nowMs: number): void {
    const current = Math.floor(nowMs / this.#slotMs);
    const first = Math.max(this.#latest + 1, current - SLOTS + 1);
    for (let slot = first; slot <= current; slot++) {
      this.#total -= this.#slots[slot % SLOTS] as number;
      this.#slots[slot % SLOTS] = 0;
    }
    this.#latest = Math.max(this.#latest, current);
  }
}
