/** One service in the formats of several ecosystems, on one ZooKeeper. */
import type { FormatName } from '../registry/formats/index.js';
import { loadFormat } from '../registry/formats/index.js';
import { parseInstance } from '../registry/instance.js';
import type { MultiOperation } from '../registry/zookeeper/wire/multi.js';
import { CHANGING_ID, type Writer } from './list-rounds.js';
import { openWire } from './zk-own.js';

/** The first says everything in the names, so that no data is read. */
export const FORMATS = [
  'nerve-path',
  'nerve',
  'serverset',
  'curator',
  'pilotfish',
] as const satisfies FormatName[];
export type ListedFormat = (typeof FORMATS)[number];

export const FORMAT_CHANGES = ['create', 'delete'] as const;
export type FormatChange = (typeof FORMAT_CHANGES)[number];

/** Creations in one request. */
const BATCH = 500;

/** The chroot in which a format's services are. */
export function rootOf(format: ListedFormat): string {
  return `/formats-${format}`;
}

export async function fillFormat(
  address: string,
  format: ListedFormat,
  service: string,
  ids: readonly string[],
): Promise<void> {
  const writer = await openWire(address);
  for (const path of [rootOf(format), servicePath(format, service)]) {
    await writer.create(path, new Uint8Array(), 'persistent');
  }
  for (let from = 0; from < ids.length; from += BATCH) {
    const entries = ids.slice(from, from + BATCH).map((id, at) => entryOf(format, service, id, from + at));
    await writer.multi(await Promise.all(entries));
  }
  await writer.close();
}

/** Creates and deletes one instance of the service. */
export async function openFormatWriter(
  format: ListedFormat,
  address: string,
  service: string,
): Promise<Writer<FormatChange>> {
  const client = await openWire(address);
  // Newer than all that were there.
  const { path, data } = await entryOf(format, service, CHANGING_ID, 2 ** 30);
  const make: Readonly<Record<FormatChange, () => Promise<unknown>>> = {
    create: () => client.create(path, data, 'persistent'),
    delete: () => client.delete(path, -1),
  };
  return { make: (change) => make[change](), close: () => client.close() };
}

/** Persistent, so that it stays when the session ends; the number is the one that ZooKeeper would append. */
async function entryOf(
  format: ListedFormat,
  service: string,
  id: string,
  number: number,
): Promise<Extract<MultiOperation, { readonly type: 'create' }>> {
  const { encode, isSequential } = await loadFormat(format);
  const parsed = parseInstance({ service, id, host: '10.0.0.1', port: 8080, version: '1.2.3' });
  if (!parsed.ok || encode === undefined) throw new Error(`instance ${id} cannot be written as ${format}`);
  const { name, data } = encode(parsed.value, 0);
  const suffix = isSequential ? String(number).padStart(10, '0') : '';
  return {
    type: 'create',
    path: `${servicePath(format, service)}/${name}${suffix}`,
    data,
    kind: 'persistent',
  };
}

function servicePath(format: ListedFormat, service: string): string {
  return `${rootOf(format)}/${service}`;
}
