/**
 * A list by one-shot watches, for every server and driver: one operation lists the children together with the watch for
 * the next change, and only children that are new or whose data changed are read, many at a time; none at all in a format
 * whose names say everything.
 */
import type { Snapshot } from '../contract.js';
import { isZkError, type ZkSession } from './driver.js';
import { type Listed, ListedChildren, type Listing } from './listed-children.js';

/** Reads in flight at once: enough to fill the connection, few enough not to starve the session's pings. */
const PARALLEL_READS = 64;
/** Of reading on at once because a child was gone when it was to be read: a newer one of its id may stand in its place. */
const MAX_ROUNDS = 3;

export class ChildListing implements Listing {
  readonly #session: ZkSession;
  readonly #path: string;
  readonly #needsData: boolean;
  readonly #onChange: () => void;
  readonly #children: ListedChildren;
  readonly #dirty = new Set<string>();
  #names: readonly string[] = [];
  #namesKnown = false;
  #closed = false;

  /** @param onChange called when `read` would find something new; never by a read itself. */
  constructor(session: ZkSession, listed: Listed, onChange: () => void) {
    this.#session = session;
    this.#path = listed.path;
    this.#needsData = listed.format.needsData;
    this.#onChange = () => this.#closed || onChange();
    this.#children = new ListedChildren(listed);
  }

  async read(): Promise<Snapshot> {
    for (let round = 1; ; round++) {
      if (!this.#namesKnown) await this.#list();
      const lost = await this.#readChildren([...this.#dirty], (name) => () => {
        this.#dirty.add(name);
        this.#onChange();
      });
      // What replaced it is in the next list.
      if (lost === 0 || this.#namesKnown || round === MAX_ROUNDS) return this.#children.snapshot();
    }
  }

  async reread(): Promise<Snapshot> {
    this.#namesKnown = false;
    await this.read();
    const lost = await this.#readChildren(this.#names, () => undefined);
    return lost === 0 ? this.#children.snapshot() : this.read();
  }

  /** One-shot watches cannot be taken back; they end with their first event, which is ignored. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #list(): Promise<void> {
    this.#namesKnown = true;
    try {
      const { names, stat } = await this.#session.children(this.#path, this.#namesChanged);
      this.#children.seen(stat.pzxid);
      await this.#keep(names);
    } catch (error) {
      this.#namesKnown = false;
      if (!isZkError(error, 'NO_NODE')) throw error;
      await this.#keep([]);
      await this.#waitForService();
    }
  }

  async #waitForService(): Promise<void> {
    this.#namesKnown = true;
    const exists = await this.#session.exists(this.#path, this.#namesChanged);
    if (exists !== undefined) await this.#list();
  }

  /** One function for all watches on the list: a driver that holds it already need not hold it twice. */
  readonly #namesChanged = (): void => {
    this.#namesKnown = false;
    this.#onChange();
  };

  async #keep(names: readonly string[]): Promise<void> {
    this.#children.keepOnly(names);
    const fresh = names.filter((name) => !this.#children.has(name));
    if (!this.#needsData) return this.#children.putNames(fresh);
    const present = new Set(names);
    for (const name of this.#dirty) if (!present.has(name)) this.#dirty.delete(name);
    for (const name of fresh) this.#dirty.add(name);
    this.#names = names;
  }

  /** Resolves with the number of those that were gone. */
  async #readChildren(
    names: readonly string[],
    watchOf: (name: string) => (() => void) | undefined,
  ): Promise<number> {
    const queue = names.values();
    let lost = 0;
    const worker = async (): Promise<void> => {
      for (const name of queue) if (!(await this.#readChild(name, watchOf(name)))) lost++;
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_READS, names.length) }, worker));
    return lost;
  }

  /** False when it is gone since it was listed; the watch on the list tells as well. */
  async #readChild(name: string, onChange: (() => void) | undefined): Promise<boolean> {
    this.#dirty.delete(name);
    try {
      this.#children.put(name, await this.#session.get(`${this.#path}/${name}`, onChange));
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) this.#children.remove(name);
      else if (isZkError(error, 'NO_AUTH', 'TOO_LARGE')) this.#children.put(name, error.code);
      else throw error;
    }
    return this.#children.has(name);
  }
}
