/** A ZooKeeper session of a test's own, for what pilotfish itself would never do: poison, foreign deletions. */

import type { ZkSession } from '../../registry/zookeeper/driver.js';
import { loadNativeDriver } from '../../registry/zookeeper/native-driver.js';
import type { HostPort } from '../../runtime/host-port.js';
import { parseHostPort } from '../../runtime/host-port.js';

export async function acquireNative(
  address: string,
): Promise<{ session: ZkSession; [Symbol.asyncDispose](): Promise<void> }> {
  const connect = await loadNativeDriver();
  const session = connect({ addresses: [parseHostPort(address) as HostPort], timeoutMs: 10_000 });
  while (session.state !== 'connected') {
    await new Promise<void>((resolve) => {
      const stop = session.onState(() => {
        stop();
        resolve();
      });
    });
  }
  return { session, [Symbol.asyncDispose]: () => session.close() };
}
