/** The driver by itself: what the floor is made of, what fills the server, and what makes the changes. */
import type { Instance } from '../registry/contract.js';
import { encodeInstance } from '../registry/formats/pilotfish.js';
import { parseInstance } from '../registry/instance.js';
import { isZkError, type ZkSession } from '../registry/zookeeper/driver.js';
import { loadNativeDriver } from '../registry/zookeeper/native-driver.js';
import { systemClock } from '../runtime/clock.js';
import { type HostPort, parseHostPort } from '../runtime/host-port.js';
import { silentLogger } from '../runtime/logger.js';
import { systemRandom } from '../runtime/random.js';

/** The node above the services. */
export const ROOT = '/bench';

const SESSION_TIMEOUT_MS = 10_000;
/** Creations in flight at once. */
const BATCH = 1_000;

/** Resolves when connected. */
export async function openSession(address: string): Promise<ZkSession> {
  const connect = await loadNativeDriver();
  const server = parseHostPort(address) as HostPort;
  const addresses = [{ ...server, name: server.host }];
  const session = connect({
    clock: systemClock,
    random: systemRandom(),
    logger: silentLogger,
    addresses,
    refresh: async () => addresses,
    timeoutMs: SESSION_TIMEOUT_MS,
    security: { tls: undefined, digest: undefined, acl: [] },
  });
  await new Promise<void>((resolve) => session.onState((state) => state === 'connected' && resolve()));
  return session;
}

export function pathOf(service: string, id: string): string {
  return `${ROOT}/${service}/${id}`;
}

/** About 160 bytes in the registry. */
export function entryOf(service: string, id: string, weight: number): Buffer {
  const parsed = parseInstance({ service, id, host: '10.0.0.1', port: 8080, weight, version: '1.2.3' });
  if (!parsed.ok) throw new Error(`instance ${id} is not valid`);
  return encodeInstance(parsed.value satisfies Instance);
}

/** Creates the service with these instances, which stay when the session ends. */
export async function fill(session: ZkSession, service: string, ids: readonly string[]): Promise<void> {
  for (const path of [ROOT, `${ROOT}/${service}`]) {
    await session.create(path, new Uint8Array(), 'persistent').catch((error: unknown) => {
      if (!isZkError(error, 'NODE_EXISTS')) throw error;
    });
  }
  for (let from = 0; from < ids.length; from += BATCH) {
    const batch = ids.slice(from, from + BATCH);
    await Promise.all(
      batch.map((id) => session.create(pathOf(service, id), entryOf(service, id, 1), 'persistent')),
    );
  }
}
