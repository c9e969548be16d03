/** The npm package `node-zookeeper-client`, plain JavaScript, by itself. */
import { NO_NODE, type OpenClient, SESSION_TIMEOUT_MS, type ZkClient } from './zk-client.js';

/** The part of the package that is used here. */
interface Package {
  once(event: 'connected' | 'disconnected', listener: () => void): void;
  connect(): void;
  close(): void;
  getChildren(path: string, watcher: (() => void) | undefined, done: Done<readonly string[]>): void;
  getData(path: string, watcher: (() => void) | undefined, done: Done<Buffer | undefined>): void;
  setData(path: string, data: Uint8Array, version: number, done: Done<unknown>): void;
}

type Done<T> = (error: (Error & { readonly code?: number }) | null, value: T) => void;

interface Module {
  createClient(address: string, options: { readonly sessionTimeout: number }): Package;
}

export const openJsPackage: OpenClient = async (address) => {
  const packageName = 'node-zookeeper-client';
  const { default: module } = (await import(packageName)) as { default: Module };
  const client = module.createClient(address, { sessionTimeout: SESSION_TIMEOUT_MS });
  const connected = new Promise<void>((resolve) => client.once('connected', resolve));
  client.connect();
  await connected;
  return new JsPackage(client);
};

class JsPackage implements ZkClient {
  readonly #client: Package;

  constructor(client: Package) {
    this.#client = client;
  }

  children(path: string, onChange?: () => void): Promise<readonly string[]> {
    return answer((done) => this.#client.getChildren(path, onChange, done));
  }

  async get(path: string, onChange?: () => void): Promise<Uint8Array | undefined> {
    try {
      return await answer<Buffer | undefined>((done) => this.#client.getData(path, onChange, done));
    } catch (error) {
      if ((error as { readonly code?: number }).code === NO_NODE) return undefined;
      throw error;
    }
  }

  set(path: string, data: Uint8Array): Promise<unknown> {
    return answer((done) => this.#client.setData(path, data, -1, done));
  }

  close(): Promise<void> {
    const disconnected = new Promise<void>((resolve) => this.#client.once('disconnected', resolve));
    this.#client.close();
    return disconnected;
  }
}

function answer<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}
