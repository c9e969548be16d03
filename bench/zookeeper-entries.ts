/** The services on the server: where they are and what is in them. */
import { encodeInstance } from '../registry/formats/pilotfish.js';
import { parseInstance } from '../registry/instance.js';
import type { WireClient } from '../registry/zookeeper/wire/client.js';
import type { MultiOperation } from '../registry/zookeeper/wire/multi.js';

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
