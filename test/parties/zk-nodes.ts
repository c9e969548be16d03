/**
 * Nodes of ZooKeeper written and read by a client that is not ours, the npm package `node-zookeeper-client`: in the place of
 * software that cannot be had for a test.
 */
import { once } from 'node:events';

type Done<T> = (error: Error | null, value: T) => void;

/** The part of the package that is used here. */
interface Package {
  once(event: 'connected' | 'disconnected', listener: () => void): void;
  connect(): void;
  close(): void;
  mkdirp(path: string, done: Done<string>): void;
  create(path: string, data: Buffer, mode: number, done: Done<string>): void;
  getChildren(path: string, done: Done<readonly string[]>): void;
  getData(path: string, done: Done<Buffer | undefined>): void;
  remove(path: string, version: number, done: Done<unknown>): void;
}

interface Module {
  createClient(address: string): Package & NodeJS.EventEmitter;
  readonly CreateMode: Readonly<Record<'PERSISTENT' | 'EPHEMERAL' | 'EPHEMERAL_SEQUENTIAL', number>>;
  readonly Exception: { readonly NO_NODE: number };
}

export class ZkNodes {
  readonly #module: Module;
  readonly #client: Package & NodeJS.EventEmitter;

  private constructor(module: Module, client: Package & NodeJS.EventEmitter) {
    this.#module = module;
    this.#client = client;
  }

  /** Resolves when it is connected. Its ephemeral nodes go when it is closed. */
  static async connect(address: string): Promise<ZkNodes> {
    const packageName = 'node-zookeeper-client';
    const { default: module } = (await import(packageName)) as { default: Module };
    const client = module.createClient(address);
    const connected = once(client, 'connected');
    client.connect();
    await connected;
    return new ZkNodes(module, client);
  }

  /** The nodes above it are made where they are missing. Resolves with its path, which of a sequential one is longer. */
  async put(path: string, data: string, mode: keyof Module['CreateMode'] = 'EPHEMERAL'): Promise<string> {
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '') await answer<string>((done) => this.#client.mkdirp(parent, done));
    const number = this.#module.CreateMode[mode];
    return answer((done) => this.#client.create(path, Buffer.from(data), number, done));
  }

  /** The children and what is in each, in the order of their names; none where there is no such node. */
  async entries(path: string): Promise<readonly (readonly [name: string, data: string])[]> {
    const names = await this.#orNone(
      answer<readonly string[]>((done) => this.#client.getChildren(path, done)),
      [],
    );
    const read = async (name: string) => {
      const data = answer<Buffer | undefined>((done) => this.#client.getData(`${path}/${name}`, done));
      return [name, (await this.#orNone(data, undefined))?.toString() ?? ''] as const;
    };
    return Promise.all([...names].sort().map(read));
  }

  async remove(path: string): Promise<void> {
    await answer((done) => this.#client.remove(path, -1, done));
  }

  async close(): Promise<void> {
    const disconnected = once(this.#client, 'disconnected');
    this.#client.close();
    await disconnected;
  }

  async #orNone<T>(reading: Promise<T>, none: T): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if ((error as { code?: number }).code === this.#module.Exception.NO_NODE) return none;
      throw error;
    }
  }
}

function answer<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}
