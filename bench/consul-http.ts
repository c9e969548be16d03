/**
 * The least that a program can do with Consul's HTTP API: the whole list of a service by one read, its changes by one
 * blocking query after the other, and `JSON.parse`. Also fills the agent and makes the changes.
 */
import { promisify } from 'node:util';
import { gunzip, type ZlibOptions } from 'node:zlib';
import { Client } from 'undici';
import { checkIdOf, encodeEntry } from '../registry/consul/entry.js';
import { parseInstance } from '../registry/instance.js';
import type { Follow, SeenList } from './following.js';
import { CHANGING_ID, type Writer } from './list-rounds.js';

export const CONSUL_CHANGES = ['register', 'deregister'] as const;
export type ConsulChange = (typeof CONSUL_CHANGES)[number];

/** Registrations in flight. */
const AT_ONCE = 16;
/** Nothing becomes critical while it is measured. */
const TTL = '24h';
const WAIT = '55s';

const unzip = promisify<Buffer, ZlibOptions, Buffer>(gunzip);
/** In few steps: each waits for a thread. */
const UNZIP = { chunkSize: 256 * 1024 };

/** An item of the answer, as far as it is looked at. */
interface Item {
  readonly Service: { readonly Meta: Readonly<Record<string, string>> };
}

export async function fillConsul(address: string, service: string, ids: readonly string[]): Promise<void> {
  const clients = Array.from({ length: AT_ONCE }, () => clientOf(address));
  const queue = ids.values();
  const worker = async (client: Client): Promise<void> => {
    for (const id of queue) await put(client, 'register', entryOf(service, id));
    await client.close();
  };
  await Promise.all(clients.map(worker));
}

export async function openConsulWriter(address: string, service: string): Promise<Writer<ConsulChange>> {
  const client = clientOf(address);
  const entry = entryOf(service, CHANGING_ID);
  const make: Readonly<Record<ConsulChange, () => Promise<unknown>>> = {
    register: () => put(client, 'register', entry),
    deregister: () => put(client, `deregister/${encodeURIComponent(entry.ID)}`, {}),
  };
  return { make: (change) => make[change](), close: () => client.close() };
}

/** Tells one list. */
export function readHealth(headers: Readonly<Record<string, string>>): Follow {
  return async (address, service, onList) => {
    const client = clientOf(address);
    const { items } = await health(client, service, headers);
    onList(seenIn(items));
    return () => client.close();
  };
}

export function followHealth(headers: Readonly<Record<string, string>>): Follow {
  return async (address, service, onList) => {
    const client = clientOf(address);
    const stop = new AbortController();
    const read = async (index?: string): Promise<string> => {
      const answer = await health(client, service, headers, index, stop.signal);
      onList(seenIn(answer.items));
      return answer.index;
    };
    const follow = async (index: string): Promise<never> => follow(await read(index));
    const ended = follow(await read()).catch(() => {});
    return async () => {
      stop.abort();
      await ended;
      await client.destroy();
    };
  };
}

function seenIn(items: readonly Item[]): SeenList {
  return {
    size: items.length,
    weightOf(id) {
      const item = items.find(({ Service }) => Service.Meta['pilotfish-id'] === id);
      return item && Number(item.Service.Meta['pilotfish-weight']);
    },
  };
}

async function health(
  client: Client,
  service: string,
  headers: Readonly<Record<string, string>>,
  index?: string,
  signal?: AbortSignal,
): Promise<{ items: readonly Item[]; index: string }> {
  const query = index === undefined ? '' : `?index=${index}&wait=${WAIT}`;
  const path = `/v1/health/service/${service}${query}`;
  const answer = await client.request({ method: 'GET', path, headers, signal: signal ?? null });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  const text = (answer.headers['content-encoding'] === 'gzip' ? await unzip(bytes, UNZIP) : bytes).toString(
    'utf8',
  );
  return { items: JSON.parse(text) as Item[], index: String(answer.headers['x-consul-index']) };
}

async function put(client: Client, call: string, body: unknown): Promise<void> {
  const path = `/v1/agent/service/${call}`;
  const answer = await client.request({ method: 'PUT', path, body: JSON.stringify(body) });
  const text = await answer.body.text();
  if (answer.statusCode !== 200)
    throw new Error(`PUT ${path} was answered with ${answer.statusCode}: ${text}`);
}

/** As pilotfish writes it, with a check that nobody has to renew. */
function entryOf(service: string, id: string) {
  const parsed = parseInstance({ service, id, host: '10.0.0.1', port: 8080, version: '1.2.3' });
  if (!parsed.ok) throw new Error(`instance ${id} is not valid`);
  const { id: ID, name, address, port, meta, weights } = encodeEntry(parsed.value, 'bench');
  const check = { CheckID: checkIdOf(ID), Name: `pilotfish heartbeat of ${ID}`, TTL, Status: 'passing' };
  return {
    ID,
    Name: name,
    Address: address,
    Port: port,
    Meta: meta,
    Weights: weights,
    Checks: [check],
  };
}

function clientOf(address: string): Client {
  return new Client(`http://${address}`, { bodyTimeout: 0, headersTimeout: 0 });
}
