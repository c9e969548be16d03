/**
 * The list of one service over one session: one operation lists the children together with the watch for the next
 * change, and only children that are new or whose data changed are read, many at a time.
 */
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { decodeInstance } from '../formats/pilotfish.js';
import { snapshotOf } from '../snapshot.js';
import { isZkError, type ZkSession } from './driver.js';

/** Reads in flight at once: enough to fill the connection, few enough not to starve the session's pings. */
const PARALLEL_READS = 64;

interface Child {
  readonly mzxid: number;
  readonly instance: Instance | undefined;
  readonly rejection: Rejection | undefined;
}

export class ZkListing {
  readonly #session: ZkSession;
  readonly #path: string;
  readonly #service: string;
  readonly #onChange: () => void;
  readonly #children = new Map<string, Child>();
  readonly #dirty = new Set<string>();
  #names: readonly string[] = [];
  #namesKnown = false;
  #revision = 0;

  /** @param onChange called when `read` would find something new; never by a read itself. */
  constructor(session: ZkSession, path: string, service: string, onChange: () => void) {
    this.#session = session;
    this.#path = path;
    this.#service = service;
    this.#onChange = onChange;
  }

  /** The current list. Errors of the session pass through. */
  async read(): Promise<Snapshot> {
    if (!this.#namesKnown) await this.#list();
    await this.#readChildren([...this.#dirty], (name) => () => {
      this.#dirty.add(name);
      this.#onChange();
    });
    return this.#snapshot();
  }

  /** Reads everything once more without trusting any watch, and returns what is there. */
  async reread(): Promise<Snapshot> {
    this.#namesKnown = false;
    await this.read();
    await this.#readChildren(this.#names, () => undefined);
    return this.#snapshot();
  }

  async #list(): Promise<void> {
    this.#namesKnown = true;
    try {
      const { names, stat } = await this.#session.children(this.#path, () => this.#namesChanged());
      this.#revision = Math.max(this.#revision, stat.pzxid);
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
    const exists = await this.#session.exists(this.#path, () => this.#namesChanged());
    if (exists !== undefined) await this.#list();
  }

  #namesChanged(): void {
    this.#namesKnown = false;
    this.#onChange();
  }

  #keep(names: readonly string[]): void {
    const present = new Set(names);
    for (const name of this.#children.keys()) if (!present.has(name)) this.#children.delete(name);
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
      const { data, stat } = await this.#session.get(`${this.#path}/${name}`, onChange);
      this.#revision = Math.max(this.#revision, stat.mzxid);
      if (this.#children.get(name)?.mzxid === stat.mzxid) return;
      const decoded = decodeInstance(data, this.#service, name);
      this.#children.set(name, {
        mzxid: stat.mzxid,
        instance: decoded.ok ? decoded.value : undefined,
        rejection: decoded.ok ? undefined : { entry: name, reason: decoded.error },
      });
    } catch (error) {
      // Gone since it was listed: the watch on the list tells as well.
      if (isZkError(error, 'NO_NODE')) this.#children.delete(name);
      else throw error;
    }
  }

  #snapshot(): Snapshot {
    const children = [...this.#children.values()];
    return snapshotOf(
      this.#service,
      children.flatMap(({ instance }) => (instance === undefined ? [] : [instance])),
      this.#revision,
      children.flatMap(({ rejection }) => (rejection === undefined ? [] : [rejection])),
    );
  }
}
