/**
 * Who waits for what. One-shot watches end with their first event; tree watches stay. After a reconnect the server knows
 * none of them any more and is told again, in packets that stay below its limit: one packet with all of them would be
 * refused, and every reconnect would end the same way.
 */
import type { JuteWriter } from './jute.js';
import type { WATCH_MODE, WatchEvent, WatchEventType } from './records.js';

export type WatchKind = 'data' | 'exists' | 'children';
/** A tree may be watched in two ways: the node alone and its children's names, or everything below it. */
export type TreeMode = keyof typeof WATCH_MODE;

type Listener = () => void;
type TreeListener = (event: WatchEvent) => void;

interface Tree {
  readonly mode: TreeMode;
  readonly listeners: Set<TreeListener>;
}

/** Which one-shot watches an event ends. */
const ENDED_BY: Readonly<Record<WatchEventType, readonly WatchKind[]>> = {
  created: ['exists', 'data'],
  changed: ['exists', 'data'],
  deleted: ['exists', 'data', 'children'],
  children: ['children'],
  removed: ['exists', 'data', 'children'],
  session: [],
  unknown: [],
};

/** What watches of each mode are sent for the node itself; a recursive one gets the same for every node below. */
const TOLD_BY_MODE: Readonly<Record<TreeMode, readonly WatchEventType[]>> = {
  persistent: ['created', 'changed', 'deleted', 'children'],
  recursive: ['created', 'changed', 'deleted'],
};

/** The paths of one packet. */
export interface WatchPacket {
  readonly data: readonly string[];
  readonly exists: readonly string[];
  readonly children: readonly string[];
  readonly persistent: readonly string[];
  readonly trees: readonly string[];
}

export class Watches {
  readonly #once: Readonly<Record<WatchKind, Map<string, Set<Listener>>>> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
  };
  readonly #trees = new Map<string, Tree>();

  /** To be called when the server has armed it. One listener that waits twice for the same is called once. */
  addOnce(kind: WatchKind, path: string, listener: Listener): void {
    const listeners = this.#once[kind].get(path) ?? new Set();
    this.#once[kind].set(path, listeners.add(listener));
  }

  /** Returns false when the path is watched in the other mode: a server keeps one mode for a path. */
  addTree(path: string, mode: TreeMode, listener: TreeListener): boolean {
    const tree = this.#trees.get(path) ?? { mode, listeners: new Set() };
    if (tree.mode !== mode) return false;
    tree.listeners.add(listener);
    this.#trees.set(path, tree);
    return true;
  }

  /** Returns whether it was the last one of its path, so that the server may forget it. */
  removeTree(path: string, listener: TreeListener): boolean {
    const listeners = this.#trees.get(path)?.listeners;
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    this.#trees.delete(path);
    return true;
  }

  /**
   * Calls whoever waits for it. A one-shot watch is forgotten before it is called, and what is added meanwhile waits for
   * the next event. A listener that throws stops no other; its error surfaces as an uncaught exception.
   */
  fire(event: WatchEvent): void {
    const told = [...this.#takeOnce(event), ...this.#treeListeners(event)];
    for (const listener of told) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** All that the server has to be told again, each packet with at most `maxBytes` of paths. */
  packets(maxBytes: number): readonly WatchPacket[] {
    const packets: Record<keyof WatchPacket, string[]>[] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const [kind, path] of this.#all()) {
      const size = Buffer.byteLength(path) + 4;
      if (bytes + size > maxBytes) {
        packets.push({ data: [], exists: [], children: [], persistent: [], trees: [] });
        bytes = 0;
      }
      bytes += size;
      packets.at(-1)?.[kind].push(path);
    }
    return packets;
  }

  /** How many paths are watched: for tests of leaks, and the size of a reconnect. */
  get size(): number {
    return [...this.#all()].length;
  }

  #takeOnce({ type, path }: WatchEvent): Set<Listener> {
    const taken = new Set<Listener>();
    for (const kind of ENDED_BY[type]) {
      for (const listener of this.#once[kind].get(path) ?? []) taken.add(listener);
      this.#once[kind].delete(path);
    }
    return taken;
  }

  #treeListeners({ type, path }: WatchEvent): TreeListener[] {
    return pathsAbove(path).flatMap((above) => {
      const tree = this.#trees.get(above);
      if (tree === undefined || !TOLD_BY_MODE[tree.mode].includes(type)) return [];
      return above === path || tree.mode === 'recursive' ? [...tree.listeners] : [];
    });
  }

  *#all(): Generator<[keyof WatchPacket, string]> {
    for (const kind of ['data', 'exists', 'children'] as const) {
      for (const path of this.#once[kind].keys()) yield [kind, path];
    }
    for (const [path, { mode }] of this.#trees) yield [mode === 'recursive' ? 'trees' : mode, path];
  }
}

/** The fields of SetWatches; those of SetWatches2 when there are watches that stay. */
export function writeSetWatches(writer: JuteWriter, lastZxid: number, packet: WatchPacket): void {
  const text = (path: string): void => void writer.text(path);
  writer.long(lastZxid).list(packet.data, text).list(packet.exists, text).list(packet.children, text);
  if (packet.trees.length + packet.persistent.length === 0) return;
  writer.list(packet.persistent, text).list(packet.trees, text);
}

/** The path and everything above it: `/a/b`, `/a`, `/`. */
function pathsAbove(path: string): string[] {
  const paths = [path];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    paths.push(path.slice(0, end));
  if (path !== '/') paths.push('/');
  return paths;
}
