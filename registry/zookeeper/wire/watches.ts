/**
 * Who waits for what. One-shot watches end with their first event; tree watches stay. After a reconnect the server knows
 * none of them any more and is told again, in packets that stay below its limit: one packet with all of them would be
 * refused, and every reconnect would end the same way.
 */
import type { JuteWriter } from './jute.js';
import type { WatchEvent, WatchEventType } from './records.js';

export type WatchKind = 'data' | 'exists' | 'children';

type Listener = () => void;
type TreeListener = (event: WatchEvent) => void;

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

/** The paths of one packet. */
export interface WatchPacket {
  readonly data: readonly string[];
  readonly exists: readonly string[];
  readonly children: readonly string[];
  readonly trees: readonly string[];
}

export class Watches {
  readonly #once: Readonly<Record<WatchKind, Map<string, Set<Listener>>>> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
  };
  readonly #trees = new Map<string, Set<TreeListener>>();

  /** To be called when the server has armed it. */
  addOnce(kind: WatchKind, path: string, listener: Listener): void {
    const listeners = this.#once[kind].get(path) ?? new Set();
    this.#once[kind].set(path, listeners.add(listener));
  }

  /** Returns whether the path had no tree watch before, so that the server must be told. */
  addTree(path: string, listener: TreeListener): boolean {
    const listeners = this.#trees.get(path) ?? new Set();
    this.#trees.set(path, listeners.add(listener));
    return listeners.size === 1;
  }

  /** Returns whether it was the last one of its path, so that the server may forget it. */
  removeTree(path: string, listener: TreeListener): boolean {
    const listeners = this.#trees.get(path);
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    this.#trees.delete(path);
    return true;
  }

  /** Calls whoever waits for it. A one-shot watch is forgotten before it is called. */
  fire(event: WatchEvent): void {
    const called: Listener[] = [];
    for (const kind of ENDED_BY[event.type]) {
      called.push(...(this.#once[kind].get(event.path) ?? []));
      this.#once[kind].delete(event.path);
    }
    for (const listener of new Set(called)) listener();
    for (const above of pathsAbove(event.path)) {
      for (const listener of this.#trees.get(above) ?? []) listener(event);
    }
  }

  /** All that the server has to be told again, each packet with at most `maxBytes` of paths. */
  packets(maxBytes: number): readonly WatchPacket[] {
    const packets: Record<keyof WatchPacket, string[]>[] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const [kind, path] of this.#all()) {
      const size = Buffer.byteLength(path) + 4;
      if (bytes + size > maxBytes) {
        packets.push({ data: [], exists: [], children: [], trees: [] });
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

  *#all(): Generator<[keyof WatchPacket, string]> {
    for (const kind of ['data', 'exists', 'children'] as const) {
      for (const path of this.#once[kind].keys()) yield [kind, path];
    }
    for (const path of this.#trees.keys()) yield ['trees', path];
  }
}

/** The fields of SetWatches; those of SetWatches2 when there are tree watches. */
export function writeSetWatches(writer: JuteWriter, lastZxid: number, packet: WatchPacket): void {
  const text = (path: string): void => void writer.text(path);
  writer.long(lastZxid).list(packet.data, text).list(packet.exists, text).list(packet.children, text);
  if (packet.trees.length > 0) writer.list([], text).list(packet.trees, text);
}

/** The path and everything above it: `/a/b`, `/a`, `/`. */
function pathsAbove(path: string): string[] {
  const paths = [path];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    paths.push(path.slice(0, end));
  if (path !== '/') paths.push('/');
  return paths;
}
