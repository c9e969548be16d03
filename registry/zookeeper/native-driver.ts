/**
 * The driver on the npm package `zookeeper`, a binding of ZooKeeper's own C client. What its users must know is in
 * docs/zookeeper.md. It is an optional dependency: it compiles at install time, which needs Python and a C++ compiler.
 */
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { formatHostPort } from '../../runtime/host-port.js';
import type {
  ZkConnect,
  ZkConnectOptions,
  ZkErrorCode,
  ZkNodeKind,
  ZkSession,
  ZkStat,
  ZkState,
} from './driver.js';
import { isOver, ZkError } from './driver.js';

/** The part of the package that is used here. `rc` is 0 or a negative ZooKeeper code. */
interface NativeClient {
  readonly client_id: string;
  readonly timeout: number;
  on(event: 'connect' | 'connecting', listener: () => void): void;
  on(event: 'close', listener: (client: unknown, code: number) => void): void;
  init(config: {
    connect: string;
    timeout: number;
    debug_level: number;
    host_order_deterministic: boolean;
  }): void;
  close(): void;
  a_create(path: string, data: Uint8Array, flags: number, done: PathCallback): number;
  a_get(path: string, watch: boolean, done: DataCallback): number;
  aw_get(path: string, watch: WatchCallback, done: DataCallback): number;
  a_get_children2(path: string, watch: boolean, done: ChildrenCallback): number;
  aw_get_children2(path: string, watch: WatchCallback, done: ChildrenCallback): number;
  a_exists(path: string, watch: boolean, done: StatCallback): number;
  aw_exists(path: string, watch: WatchCallback, done: StatCallback): number;
  a_set(path: string, data: Uint8Array, version: number, done: StatCallback): number;
  a_delete_(path: string, version: number, done: (rc: number) => void): number;
  a_sync(path: string, done: (rc: number) => void): number;
}

interface NativeStat {
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  readonly version: number;
  readonly ephemeralOwner: string;
}

type PathCallback = (rc: number, error: string, path: string) => void;
type WatchCallback = (type: number) => void;
type StatCallback = (rc: number, error: string, stat: NativeStat) => void;
type DataCallback = (rc: number, error: string, stat: NativeStat, data: Buffer | null) => void;
type ChildrenCallback = (rc: number, error: string, names: string[], stat: NativeStat) => void;

const CREATE_FLAGS: Readonly<Record<ZkNodeKind, number>> = {
  persistent: 0,
  ephemeral: 1,
  'ephemeral-sequential': 3,
};
const NO_OWNER = '0';
/** Reported to every watch when the connection state changes; says nothing about the node. */
const SESSION_EVENT = -1;
/** The C client would write to stderr, and the binding to stdout. */
const SILENT = 0;

const CODES: Readonly<Record<number, ZkErrorCode>> = {
  [-4]: 'CONNECTION_LOSS',
  [-7]: 'CONNECTION_LOSS',
  [-9]: 'SESSION_OVER',
  [-101]: 'NO_NODE',
  [-102]: 'NO_AUTH',
  [-103]: 'BAD_VERSION',
  [-110]: 'NODE_EXISTS',
  [-112]: 'SESSION_OVER',
  [-115]: 'NO_AUTH',
  [-116]: 'SESSION_OVER',
};

const END_STATES: Readonly<Record<number, ZkState>> = {
  [-112]: 'expired',
  [-113]: 'denied',
  [-115]: 'denied',
};

/** Loads the package. Rejects DRIVER_MISSING when it is not installed or was not compiled. */
export async function loadNativeDriver(): Promise<ZkConnect> {
  const packageName = 'zookeeper';
  try {
    const { default: Client } = (await import(packageName)) as { default: new () => NativeClient };
    return (options) => new NativeSession(new Client(), options);
  } catch (error) {
    throw new PilotfishError(
      'DRIVER_MISSING',
      '?driver=native needs the npm package "zookeeper" 7.x, which is optional and compiled when it is installed ' +
        `(Python, make and a C++ compiler; Node 20 to 24): npm install zookeeper. It said: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

class NativeSession implements ZkSession {
  readonly #client: NativeClient;
  readonly #states = new Emitter<ZkState>();
  #state: ZkState = 'connecting';
  #timeoutMs: number;

  constructor(client: NativeClient, { addresses, timeoutMs }: ZkConnectOptions) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    client.on('connect', () => {
      this.#timeoutMs = client.timeout;
      this.#move('connected');
    });
    client.on('connecting', () => {
      if (this.#state === 'connected') this.#move('suspended');
    });
    client.on('close', (_client, code) => this.#move(END_STATES[code] ?? 'closed'));
    client.init({
      connect: addresses.map(formatHostPort).join(','),
      timeout: timeoutMs,
      debug_level: SILENT,
      host_order_deterministic: true,
    });
  }

  get id(): string | undefined {
    return this.#state === 'connecting' ? undefined : this.#client.client_id;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get state(): ZkState {
    return this.#state;
  }

  readonly onState: Event<ZkState> = this.#states.event;

  create(path: string, data: Uint8Array, kind: ZkNodeKind): Promise<{ path: string }> {
    return this.#call('create', path, (settle) =>
      this.#client.a_create(path, data, CREATE_FLAGS[kind], (rc, _error, created) =>
        settle(rc, () => ({ path: created })),
      ),
    );
  }

  children(path: string, onChange?: () => void): Promise<{ names: readonly string[]; stat: ZkStat }> {
    return this.#call('children', path, (settle) => {
      const done: ChildrenCallback = (rc, _error, names, stat) =>
        settle(rc, () => ({ names, stat: statOf(stat) }));
      if (onChange === undefined) return this.#client.a_get_children2(path, false, done);
      return this.#client.aw_get_children2(path, once(onChange), done);
    });
  }

  get(path: string, onChange?: () => void): Promise<{ data: Uint8Array; stat: ZkStat }> {
    return this.#call('get', path, (settle) => {
      const done: DataCallback = (rc, _error, stat, data) =>
        settle(rc, () => ({ data: data ?? new Uint8Array(), stat: statOf(stat) }));
      if (onChange === undefined) return this.#client.a_get(path, false, done);
      return this.#client.aw_get(path, once(onChange), done);
    });
  }

  async exists(path: string, onChange?: () => void): Promise<ZkStat | undefined> {
    try {
      return await this.#call('exists', path, (settle) => {
        const done: StatCallback = (rc, _error, stat) => settle(rc, () => statOf(stat));
        if (onChange === undefined) return this.#client.a_exists(path, false, done);
        return this.#client.aw_exists(path, once(onChange), done);
      });
    } catch (error) {
      if (error instanceof ZkError && error.code === 'NO_NODE') return undefined;
      throw error;
    }
  }

  set(path: string, data: Uint8Array, version: number): Promise<ZkStat> {
    return this.#call('set', path, (settle) =>
      this.#client.a_set(path, data, version, (rc, _error, stat) => settle(rc, () => statOf(stat))),
    );
  }

  delete(path: string, version: number): Promise<void> {
    return this.#call('delete', path, (settle) =>
      this.#client.a_delete_(path, version, (rc) => settle(rc, undefined)),
    );
  }

  sync(path: string): Promise<void> {
    return this.#call('sync', path, (settle) => this.#client.a_sync(path, (rc) => settle(rc, undefined)));
  }

  async close(): Promise<void> {
    if (isOver(this.#state)) return;
    this.#client.close();
    this.#move('closed');
  }

  /** The native client must not be called once it is over. */
  #call<T>(
    operation: string,
    path: string,
    start: (settle: (rc: number, value: (() => T) | undefined) => void) => number,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (rc: number): void =>
        reject(new ZkError(CODES[rc] ?? 'OTHER', operation, path, `code ${rc}`));
      if (isOver(this.#state)) return reject(new ZkError('SESSION_OVER', operation, path, this.#state));
      const rc = start((code, value) => (code === 0 ? resolve(value?.() as T) : fail(code)));
      if (rc < 0) fail(rc);
    });
  }

  #move(state: ZkState): void {
    if (isOver(this.#state) || this.#state === state) return;
    this.#state = state;
    this.#states.emit(state);
  }
}

/** The C client calls a watch again for every connection event; only the first node event counts. */
function once(onChange: () => void): WatchCallback {
  let fired = false;
  return (type) => {
    if (type === SESSION_EVENT || fired) return;
    fired = true;
    onChange();
  };
}

function statOf(stat: NativeStat): ZkStat {
  const { czxid, mzxid, pzxid, version, ephemeralOwner } = stat;
  return { czxid, mzxid, pzxid, version, owner: ephemeralOwner === NO_OWNER ? undefined : ephemeralOwner };
}
