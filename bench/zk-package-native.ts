/** The npm package `zookeeper`, ZooKeeper's C client, by itself. */
import { NO_NODE, type OpenClient, SESSION_TIMEOUT_MS, type ZkClient } from './zk-client.js';

/** The part of the package that is used here. `rc` is 0 or a negative ZooKeeper code. */
interface Package {
  once(event: 'connect', listener: () => void): void;
  init(config: { connect: string; timeout: number; debug_level: number }): void;
  close(): void;
  a_set(path: string, data: Uint8Array, version: number, done: (rc: number) => void): void;
  a_get(path: string, watch: boolean, done: DataCallback): void;
  aw_get(path: string, watch: WatchCallback, done: DataCallback): void;
  a_get_children2(path: string, watch: boolean, done: NamesCallback): void;
  aw_get_children2(path: string, watch: WatchCallback, done: NamesCallback): void;
}

type WatchCallback = (type: number) => void;
type DataCallback = (rc: number, error: string, stat: unknown, data: Buffer | null) => void;
type NamesCallback = (rc: number, error: string, names: readonly string[]) => void;

/** Told to every watch when the connection changes. */
const SESSION_EVENT = -1;

export const openNativePackage: OpenClient = async (address) => {
  const packageName = 'zookeeper';
  const { default: Client } = (await import(packageName)) as { default: new () => Package };
  const client = new Client();
  const connected = new Promise<void>((resolve) => client.once('connect', resolve));
  client.init({ connect: address, timeout: SESSION_TIMEOUT_MS, debug_level: 0 });
  await connected;
  return new NativePackage(client);
};

class NativePackage implements ZkClient {
  readonly #client: Package;

  constructor(client: Package) {
    this.#client = client;
  }

  children(path: string, onChange?: () => void): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const done: NamesCallback = (rc, _error, names) => (rc === 0 ? resolve(names) : reject(failed(rc)));
      if (onChange === undefined) this.#client.a_get_children2(path, false, done);
      else this.#client.aw_get_children2(path, nodeEvents(onChange), done);
    });
  }

  get(path: string, onChange?: () => void): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const done: DataCallback = (rc, _error, _stat, data) => {
        if (rc === 0 || rc === NO_NODE) resolve(data ?? undefined);
        else reject(failed(rc));
      };
      if (onChange === undefined) this.#client.a_get(path, false, done);
      else this.#client.aw_get(path, nodeEvents(onChange), done);
    });
  }

  set(path: string, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.a_set(path, data, -1, (rc) => (rc === 0 ? resolve() : reject(failed(rc))));
    });
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

function failed(rc: number): Error {
  return new Error(`the package zookeeper answered ${rc}`);
}

function nodeEvents(onChange: () => void): WatchCallback {
  return (type) => {
    if (type !== SESSION_EVENT) onChange();
  };
}
