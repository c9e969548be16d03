/**
 * Which of several nodes with the same id is the instance: the one that was created last. An instance that was restarted,
 * or whose sequential node was replaced, has two for a moment; none of the two may be missed or counted twice.
 */
import type { Instance } from '../contract.js';

interface Holder {
  readonly createdAt: number;
  readonly instance: Instance;
}

export class Newest {
  /** By id, then by node name. */
  readonly #holders = new Map<string, Map<string, Holder>>();

  /** @param createdAt grows with every node that is created, such as a transaction or a sequence number */
  put(name: string, createdAt: number, instance: Instance): void {
    const holders = this.#holders.get(instance.id) ?? new Map<string, Holder>();
    this.#holders.set(instance.id, holders);
    holders.set(name, { createdAt, instance });
  }

  remove(name: string, id: string): void {
    const holders = this.#holders.get(id);
    if (holders?.delete(name) && holders.size === 0) this.#holders.delete(id);
  }

  of(id: string): Instance | undefined {
    let newest: Holder | undefined;
    for (const holder of this.#holders.get(id)?.values() ?? []) {
      if (newest === undefined || holder.createdAt > newest.createdAt) newest = holder;
    }
    return newest?.instance;
  }

  *all(): Generator<Instance> {
    for (const id of this.#holders.keys()) yield this.of(id) as Instance;
  }
}
