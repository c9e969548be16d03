/**
 * A list by one-shot watches, for every server and driver: one operation lists the children together with the watch for
 * the next change, and only children that are new or whose data changed are read, many at a time.
 */
import type { Snapshot } from '../contract.js';
import { isZkError, type ZkSession } from './driver.js';
import { ListedChildren, type Listing } from './listed-children.js';

/** Reads in flight at once: enough to fill the connection, few enough not to starve the session's pings. */
const PARALLEL_READS = 64;

export class ChildListing implements Listing {
  readonly #session: ZkSession;
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #children: ListedChildren;
  readonly #dirty = new Set<string>();
  #names: readonly string[] = [];
  #namesKnown = false;
  #closed = false;

  /** @param onChange called when `read` would find something new; never by a read itself. */
  constructor(session: ZkSession, path: string, service: string, onChange: () => void) {
    this.#session = session;
    this.#path = path;
    this.#onChange = () => this.#closed || onChange();
    this.#children = new ListedChildren(service);
  }

  async read(): Promise<Snapshot> {
    if (!this.#namesKnown) await this.#list();
    await this.#readChildren([...this.#dirty], (name) => () => {
      this.#dirty.add(name);
      this.#onChange();
    });
    return this.#children.snapshot();
  }

  async reread(): Promise<Snapshot> {
    this.#namesKnown = false;
    await this.read();
    await this.#readChildren(this.#names, () => undefined);
    return this.#children.snapshot();
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
      this.#keep(names);
    } catch (error) {
      this.#namesKnown = false;
      if (!isZkError(error, 'NO_NODE')) throw error;
      this.#keep([]);
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

  #keep(names: readonly string[]): void {
    const present = new Set(names);
    this.#children.keepOnly(names);
    for (const name of this.#dirty) if (!present.has(name)) this.#dirty.delete(name);
    for (const name of names) if (!this.#children.has(name)) this.#dirty.add(name);
    this.#names = names;
  }

  async #readChildren(
    names: readonly string[],
    watchOf: (name: string) => (() => void) | undefined,
  ): Promise<void> {
    const queue = names.values();
    const worker = async (): Promise<void> => {
      for (const name of queue) await this.#readChild(name, watchOf(name));
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_READS, names.length) }, worker));
  }

  async #readChild(name: string, onChange: (() => void) | undefined): Promise<void> {
    this.#dirty.delete(name);
    try {
      this.#children.put(name, await this.#session.get(`${this.#path}/${name}`, onChange));
    } catch (error) {
      // Gone since it was listed: the watch on the list tells as well.
      if (isZkError(error, 'NO_NODE')) this.#children.remove(name);
      else if (isZkError(error, 'NO_AUTH', 'TOO_LARGE')) this.#children.put(name, error.code);
      else throw error;
    }
  }
}
