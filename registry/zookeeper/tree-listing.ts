/**
 * A list at the speed of the protocol, on servers from 3.6: one persistent recursive watch for the service, the names in
 * one operation, the data in a few large ones. From then on a change costs its event and at most one read, however long
 * the list is. The watch is armed before the first read, so nothing falls between the two. In a format whose names say
 * everything no data is read at all: what changed is only asked whether it is there.
 */
import { nextTurn } from '../../runtime/next-turn.js';
import type { Snapshot } from '../contract.js';
import { isZkError, type ZkSession, type ZkTreeEvent, type ZkTreeReading } from './driver.js';
import { type Listed, ListedChildren, type Listing } from './listed-children.js';

/** Nodes per read: large enough to pay, small enough that neither side stalls on one. */
const READ_CHUNK = 500;
/** Reads in flight. */
const CHUNKS_AHEAD = 6;
/** Of reading on at once because a child was gone when it was to be read: a newer one of its id may stand in its place. */
const MAX_ROUNDS = 3;

type Reply = ReturnType<ZkTreeReading['getMany']>;

export class TreeListing implements Listing {
  readonly #session: ZkSession & ZkTreeReading;
  readonly #path: string;
  readonly #needsData: boolean;
  readonly #onChange: () => void;
  readonly #children: ListedChildren;
  /** Names to be read, or to be asked for. */
  readonly #dirty = new Set<string>();
  #stopWatching: (() => Promise<void>) | undefined;

  /** @param onChange called when `read` would find something new; never by a read itself. */
  constructor(session: ZkSession & ZkTreeReading, listed: Listed, onChange: () => void) {
    this.#session = session;
    this.#path = listed.path;
    this.#needsData = listed.format.needsData;
    this.#onChange = onChange;
    this.#children = new ListedChildren(listed);
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
    // What replaced one that is gone was created before, so its event has arrived.
    for (let round = 1; (await this.#takeDirty()) > 0 && this.#dirty.size > 0; round++) {
      if (round === MAX_ROUNDS) break;
    }
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
  #changed({ type, path }: ZkTreeEvent): void {
    const name = path.slice(this.#path.length + 1);
    if (path === this.#path || name.includes('/')) return;
    if (!this.#needsData && type === 'changed') return;
    this.#dirty.add(name);
    this.#onChange();
  }

  async #list(): Promise<void> {
    const { names, pzxid } = await this.#names();
    this.#children.seen(pzxid);
    this.#children.keepOnly(names);
    // What is read in order needs no sorting once all of it is there.
    const inOrder = names.toSorted();
    if (!this.#needsData) return this.#children.putNames(inOrder);
    for (const name of inOrder) this.#dirty.add(name);
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

  /** Resolves with the number of those that were gone. */
  #takeDirty(): Promise<number> {
    const names = [...this.#dirty];
    this.#dirty.clear();
    return this.#needsData ? this.#read(chunksOf(names)) : this.#lookFor(chunksOf(names));
  }

  async #lookFor(chunks: readonly (readonly string[])[]): Promise<number> {
    let lost = 0;
    for (const names of chunks) {
      const stats = await Promise.all(names.map((name) => this.#session.exists(`${this.#path}/${name}`)));
      for (const [at, name] of names.entries()) {
        const stat = stats[at];
        if (stat !== undefined) this.#children.putName(name, stat);
        else {
          lost++;
          this.#children.remove(name);
        }
      }
    }
    return lost;
  }

  /**
   * Requests run ahead, so the server always has work. Each chunk is decoded in a turn of its own: a busy socket is read
   * again and again in one turn of the event loop, and decoding all of that there would stall this process.
   */
  async #read(chunks: readonly (readonly string[])[]): Promise<number> {
    let lost = 0;
    const replies = chunks.slice(0, CHUNKS_AHEAD).map((names) => this.#ask(names));
    for (const [i, names] of chunks.entries()) {
      if (i > 0) await nextTurn();
      const nodes = (await replies.shift()) as Awaited<Reply>;
      const later = chunks[i + CHUNKS_AHEAD];
      if (later !== undefined) replies.push(this.#ask(later));
      for (let at = 0; at < names.length; at++) {
        const node = nodes[at];
        if (node === undefined) lost++;
        this.#children.put(names[at] as string, node);
      }
    }
    return lost;
  }

  /** A failure shows when the reply is awaited, which it no longer is after that of an earlier one. */
  #ask(names: readonly string[]): Reply {
    const reply = this.#nodes(names);
    reply.catch(() => {});
    return reply;
  }

  /** Nodes that are too much for one reply are read in ever smaller parts; one that is so alone is rejected. */
  async #nodes(names: readonly string[]): Reply {
    try {
      return await this.#session.getMany(names.map((name) => `${this.#path}/${name}`));
    } catch (error) {
      if (!isZkError(error, 'TOO_LARGE')) throw error;
      if (names.length === 1) return ['TOO_LARGE'];
      const half = Math.ceil(names.length / 2);
      return [...(await this.#nodes(names.slice(0, half))), ...(await this.#nodes(names.slice(half)))];
    }
  }
}

function chunksOf(names: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(names.length / READ_CHUNK);
  return Array.from({ length: count }, (_, i) => names.slice(i * READ_CHUNK, (i + 1) * READ_CHUNK));
}
