/**
 * Which of several nodes with the same id is the instance: the one that was created last. An instance that was restarted,
 * or whose sequential node was replaced, has two for a moment; none of the two may be missed or counted twice.
 */
import type { Instance } from '../contract.js';

interface Holder {
  readonly name: string;
  readonly createdAt: number;
  readonly instance: Instance;
}

/** One, or several by node name. Nearly all ids have one, and a map for each of them would be most of a long list. */
type Holders = Holder | Map<string, Holder>;

export class Newest {
  readonly #holders = new Map<string, Holders>();

  /** @param createdAt grows with every node that is created, such as a transaction or a sequence number */
  put(name: string, createdAt: number, instance: Instance): void {
    const { id } = instance;
    const holder = { name, createdAt, instance };
    const known = this.#holders.get(id);
    if (known instanceof Map) known.set(name, holder);
    else if (known === undefined || known.name === name) this.#holders.set(id, holder);
    else this.#holders.set(id, new Map([known, holder].map((each) => [each.name, each])));
  }

  remove(name: string, id: string): void {
    const known = this.#holders.get(id);
    if (known instanceof Map) {
      known.delete(name);
      if (known.size === 0) this.#holders.delete(id);
    } else if (known?.name === name) this.#holders.delete(id);
  }

  of(id: string): Instance | undefined {
    const known = this.#holders.get(id);
    return known && newestOf(known);
  }

  *all(): Generator<Instance> {
    for (const holders of this.#holders.values()) yield newestOf(holders);
  }
}

function newestOf(holders: Holders): Instance {
  if (!(holders instanceof Map)) return holders.instance;
  const newest = [...holders.values()].reduce((a, b) => (b.createdAt > a.createdAt ? b : a));
  return newest.instance;
}
