/** A ZooKeeper session of a test's own, for what pilotfish itself would never do: poison, foreign deletions. */
import {
  isOver,
  type ZkConnectOptions,
  type ZkSecurity,
  type ZkState,
} from '../../registry/zookeeper/driver.js';
import { WireClient } from '../../registry/zookeeper/wire/client.js';
import { systemClock } from '../../runtime/clock.js';
import { type HostPort, parseHostPort } from '../../runtime/host-port.js';
import { silentLogger } from '../../runtime/logger.js';
import { systemRandom } from '../../runtime/random.js';

export const OPEN: ZkSecurity = {
  tls: undefined,
  digest: undefined,
  acl: [{ permissions: ['read', 'write', 'create', 'delete', 'admin'], scheme: 'world', id: 'anyone' }],
};

/** What a driver is given, for one server or several. */
export function zkOptions(address: string, options: Partial<ZkConnectOptions> = {}): ZkConnectOptions {
  const addresses = address.split(',').map((each) => {
    const parsed = parseHostPort(each) as HostPort;
    return { ...parsed, name: parsed.host };
  });
  return {
    clock: systemClock,
    random: systemRandom(),
    logger: silentLogger,
    addresses,
    refresh: async () => addresses,
    timeoutMs: 10_000,
    security: OPEN,
    ...options,
  };
}

export interface ConnectedClient {
  readonly zk: WireClient;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Resolves when it is connected. */
export async function connectClient(
  address: string,
  options: Partial<ZkConnectOptions> = {},
): Promise<ConnectedClient> {
  const zk = new WireClient(zkOptions(address, options));
  await untilState(zk, 'connected');
  return { zk, [Symbol.asyncDispose]: () => zk.close() };
}

/** Rejects when the session is over in another way. */
export async function untilState(zk: Pick<WireClient, 'state' | 'onState'>, wanted: ZkState): Promise<void> {
  while (zk.state !== wanted) {
    if (isOver(zk.state)) throw new Error(`expected the session to be ${wanted}, got ${zk.state}`);
    await new Promise<void>((resolve) => {
      const stop = zk.onState(() => {
        stop();
        resolve();
      });
    });
  }
}
