/**
 * A list at the speed of the protocol, on servers from 3.6: one persistent recursive watch for the service, the names in
 * one operation, the data in a few large ones. From then on a change costs its event and at most one read, however long
 * the list is. The watch is armed before the first read, so nothing falls between the two.
 */
import { nextTurn } from '../../runtime/next-turn.js';
import type { Snapshot } from '../contract.js';
import { isZkError, type ZkSession, type ZkTreeEvent, type ZkTreeReading } from './driver.js';
import { ListedChildren, type Listing } from './listed-children.js';

/** Nodes per read: large enough to pay, small enough that neither side stalls on one. */
const READ_CHUNK = 500;
const PARALLEL_CHUNKS = 3;

export class TreeListing implements Listing {
  readonly #session: ZkSession & ZkTreeReading;
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #children: ListedChildren;
  /** Names to be read. */
  readonly #dirty = new Set<string>();
  #stopWatching: (() => Promise<void>) | undefined;

  /** @param onChange called when `read` would find something new; never by a read itself. */
  constructor(session: ZkSession & ZkTreeReading, path: string, service: string, onChange: () => void) {
    this.#session = session;
    this.#path = path;
    this.#onChange = onChange;
    this.#children = new ListedChildren(service);
  }

  /**
   * What changes during the read rang already, and is left to the next one: otherwise a busy service would never be
   * listed. Rejects UNIMPLEMENTED when the server is too old for it.
   */
  async read(): Promise<Snapshot> {
    if (this.#stopWatching === undefined) {
      this.#stopWatching = await this.#session.watchTree(this.#path, (event) => this.#changed(event));
      await this.#list();
    }
    await this.#readDirty();
    return this.#children.snapshot();
  }

  async reread(): Promise<Snapshot> {
    await this.#list();
    return this.read();
  }

  async close(): Promise<void> {
    await this.#stopWatching?.();
  }

  /**
   * Whatever happened to a child, it is read: a deletion may be the first half of a takeover, and the node that took its
   * place is there already when the event arrives.
   */
  #changed({ path }: ZkTreeEvent): void {
    const name = path.slice(this.#path.length + 1);
    if (path === this.#path || name.includes('/')) return;
    this.#dirty.add(name);
    this.#onChange();
  }

  async #list(): Promise<void> {
    const { names, pzxid } = await this.#names();
    this.#children.seen(pzxid);
    this.#children.keepOnly(names);
    // What is read in order needs no sorting once all of it is there.
    for (const name of names.toSorted()) this.#dirty.add(name);
    await nextTurn();
  }

  async #names(): Promise<{ names: readonly string[]; pzxid: number }> {
    try {
      const { names, stat } = await this.#session.children(this.#path);
      return { names, pzxid: stat.pzxid };
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return { names: [], pzxid: 0 };
      throw error;
    }
  }

  /** A few chunks are under way at any time: the server always has work, and this process never stalls on all of them. */
  async #readDirty(): Promise<void> {
    const names = [...this.#dirty];
    this.#dirty.clear();
    let at = 0;
    const worker = async (): Promise<void> => {
      while (at < names.length) {
        const chunk = names.slice(at, at + READ_CHUNK);
        at += READ_CHUNK;
        await this.#readChunk(chunk);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_CHUNKS }, worker));
  }

  async #readChunk(names: readonly string[]): Promise<void> {
    try {
      const nodes = await this.#session.getMany(names.map((name) => `${this.#path}/${name}`));
      // A busy socket is read again and again in one turn of the event loop: decoding all of that there would stall it.
      await nextTurn();
      for (const [i, name] of names.entries()) this.#children.put(name, nodes[i]);
    } catch (error) {
      if (!isZkError(error, 'TOO_LARGE')) throw error;
      await this.#readHalves(names);
    }
  }

  /** Nodes that are too much for one reply are read in ever smaller parts; one that is so alone is rejected. */
  async #readHalves(names: readonly string[]): Promise<void> {
    if (names.length === 1) return this.#children.put(names[0] as string, 'TOO_LARGE');
    const half = Math.ceil(names.length / 2);
    await this.#readChunk(names.slice(0, half));
    await this.#readChunk(names.slice(half));
  }
}
