/**
 * The npm package `zookeeper` by itself: what the floor is made of, what fills the server, and what makes the changes.
 * Nothing of pilotfish stands between, so the floor stays where it is whatever pilotfish's own drivers become.
 */
import { encodeInstance } from '../registry/formats/pilotfish.js';
import { parseInstance } from '../registry/instance.js';

/** The node above the services. */
export const ROOT = '/bench';

/** The part of the package that is used here. `rc` is 0 or a negative ZooKeeper code. */
interface NativeClient {
  once(event: 'connect', listener: () => void): void;
  init(config: { connect: string; timeout: number; debug_level: number }): void;
  close(): void;
  a_create(path: string, data: Uint8Array, flags: number, done: (rc: number) => void): void;
  a_set(path: string, data: Uint8Array, version: number, done: (rc: number) => void): void;
  a_delete_(path: string, version: number, done: (rc: number) => void): void;
  a_get(path: string, watch: boolean, done: DataCallback): void;
  aw_get(path: string, watch: WatchCallback, done: DataCallback): void;
  a_get_children2(path: string, watch: boolean, done: NamesCallback): void;
  aw_get_children2(path: string, watch: WatchCallback, done: NamesCallback): void;
}

type WatchCallback = (type: number) => void;
type DataCallback = (rc: number, error: string, stat: unknown, data: Buffer | null) => void;
type NamesCallback = (rc: number, error: string, names: readonly string[]) => void;

const SESSION_TIMEOUT_MS = 10_000;
const PERSISTENT = 0;
/** Told to every watch when the connection changes. */
const SESSION_EVENT = -1;
const NO_NODE = -101;
const NODE_EXISTS = -110;
/** Creations in flight at once. */
const BATCH = 1_000;

export class BareSession {
  readonly #client: NativeClient;

  private constructor(client: NativeClient) {
    this.#client = client;
  }

  /** Resolves when connected. */
  static async open(address: string): Promise<BareSession> {
    const packageName = 'zookeeper';
    const { default: Client } = (await import(packageName)) as { default: new () => NativeClient };
    const client = new Client();
    const connected = new Promise<void>((resolve) => client.once('connect', resolve));
    client.init({ connect: address, timeout: SESSION_TIMEOUT_MS, debug_level: 0 });
    await connected;
    return new BareSession(client);
  }

  create(path: string, data: Uint8Array): Promise<void> {
    return answered('create', (done) => this.#client.a_create(path, data, PERSISTENT, done), NODE_EXISTS);
  }

  set(path: string, data: Uint8Array): Promise<void> {
    return answered('set', (done) => this.#client.a_set(path, data, -1, done));
  }

  delete(path: string): Promise<void> {
    return answered('delete', (done) => this.#client.a_delete_(path, -1, done));
  }

  /** With `onChange`, which is called once, the read sets a watch. Undefined when there is no such node. */
  async get(path: string, onChange?: () => void): Promise<Buffer | undefined> {
    let found: Buffer | undefined;
    const read = (done: (rc: number) => void): void => {
      const take: DataCallback = (rc, _error, _stat, data) => {
        found = data ?? undefined;
        done(rc);
      };
      if (onChange === undefined) this.#client.a_get(path, false, take);
      else this.#client.aw_get(path, nodeEvents(onChange), take);
    };
    await answered('get', read, NO_NODE);
    return found;
  }

  async children(path: string, onChange?: () => void): Promise<readonly string[]> {
    let found: readonly string[] = [];
    await answered('children', (done) => {
      const take: NamesCallback = (rc, _error, names) => {
        found = names;
        done(rc);
      };
      if (onChange === undefined) this.#client.a_get_children2(path, false, take);
      else this.#client.aw_get_children2(path, nodeEvents(onChange), take);
    });
    return found;
  }

  close(): void {
    this.#client.close();
  }
}

function answered(
  operation: string,
  start: (done: (rc: number) => void) => void,
  accepted?: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    start((rc) => {
      if (rc === 0 || rc === accepted) resolve();
      else reject(new Error(`zookeeper ${operation} answered ${rc}`));
    });
  });
}

function nodeEvents(onChange: () => void): WatchCallback {
  return (type) => {
    if (type !== SESSION_EVENT) onChange();
  };
}

export function pathOf(service: string, id: string): string {
  return `${ROOT}/${service}/${id}`;
}

/** About 160 bytes, in pilotfish's own format. */
export function entryOf(service: string, id: string, weight: number): Buffer {
  const parsed = parseInstance({ service, id, host: '10.0.0.1', port: 8080, weight, version: '1.2.3' });
  if (!parsed.ok) throw new Error(`instance ${id} is not valid`);
  return encodeInstance(parsed.value);
}

/** Creates the service with these instances, which stay when the session ends. */
export async function fill(session: BareSession, service: string, ids: readonly string[]): Promise<void> {
  for (const path of [ROOT, `${ROOT}/${service}`]) await session.create(path, new Uint8Array());
  for (let from = 0; from < ids.length; from += BATCH) {
    const batch = ids.slice(from, from + BATCH);
    await Promise.all(batch.map((id) => session.create(pathOf(service, id), entryOf(service, id, 1))));
  }
}
