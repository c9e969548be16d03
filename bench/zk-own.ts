/** pilotfish's own client by itself, without the registry on top of it. Also fills the server and makes the changes. */
import { isZkError, type ZkConnectOptions } from '../registry/zookeeper/driver.js';
import { WireClient } from '../registry/zookeeper/wire/client.js';
import { systemClock } from '../runtime/clock.js';
import { type HostPort, parseHostPort } from '../runtime/host-port.js';
import { silentLogger } from '../runtime/logger.js';
import { systemRandom } from '../runtime/random.js';
import { SESSION_TIMEOUT_MS, type ZkClient } from './zk-client.js';

export async function openWire(address: string): Promise<WireClient> {
  const client = new WireClient(optionsFor(address));
  const connected = new Promise<void>((resolve) => {
    const stop = client.onState((state) => {
      if (state !== 'connected') return;
      stop();
      resolve();
    });
  });
  await connected;
  return client;
}

function optionsFor(address: string): ZkConnectOptions {
  const { host, port } = parseHostPort(address) as HostPort;
  const addresses = [{ host, port, name: host }];
  const permissions = ['read', 'write', 'create', 'delete', 'admin'] as const;
  return {
    clock: systemClock,
    random: systemRandom(),
    logger: silentLogger,
    addresses,
    refresh: async () => addresses,
    timeoutMs: SESSION_TIMEOUT_MS,
    security: { tls: undefined, digest: undefined, acl: [{ permissions, scheme: 'world', id: 'anyone' }] },
  };
}

export async function openOwn(address: string): Promise<ZkClient> {
  return new OwnClient(await openWire(address));
}

class OwnClient implements ZkClient {
  readonly #client: WireClient;

  constructor(client: WireClient) {
    this.#client = client;
  }

  async children(path: string, onChange?: () => void): Promise<readonly string[]> {
    return (await this.#client.children(path, onChange)).names;
  }

  async get(path: string, onChange?: () => void): Promise<Uint8Array | undefined> {
    try {
      return (await this.#client.get(path, onChange)).data;
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  set(path: string, data: Uint8Array): Promise<unknown> {
    return this.#client.set(path, data, -1);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
