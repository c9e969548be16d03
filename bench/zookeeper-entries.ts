/** The services on the server: where they are and what is in them. */
import { encodeInstance } from '../registry/formats/pilotfish.js';
import { parseInstance } from '../registry/instance.js';
import type { WireClient } from '../registry/zookeeper/wire/client.js';
import type { MultiOperation } from '../registry/zookeeper/wire/multi.js';
import { CHANGING_ID, type Writer } from './list-rounds.js';
import { openWire } from './zk-own.js';
import type { Change } from './zookeeper-experiments.js';

/** The node above the services. */
export const ROOT = '/bench';

/** Creations in one request. */
const BATCH = 500;

export function servicePath(service: string): string {
  return `${ROOT}/${service}`;
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
export async function fill(writer: WireClient, service: string, ids: readonly string[]): Promise<void> {
  await writer.create(servicePath(service), new Uint8Array(), 'persistent');
  for (let from = 0; from < ids.length; from += BATCH) {
    await writer.multi(ids.slice(from, from + BATCH).map((id) => creation(service, id)));
  }
}

function creation(service: string, id: string): MultiOperation {
  return { type: 'create', path: pathOf(service, id), data: entryOf(service, id, 1), kind: 'persistent' };
}

/** Creates, changes and deletes one instance of the service. */
export async function openInstanceWriter(address: string, service: string): Promise<Writer<Change>> {
  const client = await openWire(address);
  const path = pathOf(service, CHANGING_ID);
  const make: Readonly<Record<Change, () => Promise<unknown>>> = {
    create: () => client.create(path, entryOf(service, CHANGING_ID, 1), 'persistent'),
    set: () => client.set(path, entryOf(service, CHANGING_ID, 2), -1),
    delete: () => client.delete(path, -1),
  };
  return { make: (change) => make[change](), close: () => client.close() };
}
