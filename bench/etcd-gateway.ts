/**
 * The least that a program can do with etcd's JSON gateway: one range for the whole list, one stream for its changes, each
 * value parsed as JSON and nothing checked, healed or kept in order. Also fills the server and makes the changes.
 */
import { Client, type Dispatcher } from 'undici';
import type { Closer } from '../runtime/close-stack.js';
import { type Follow, seen } from './following.js';
import { CHANGING_ID, type Writer } from './list-rounds.js';
import { entryOf } from './zookeeper-entries.js';

export const ETCD_CHANGES = ['put', 'delete'] as const;
export type EtcdChange = (typeof ETCD_CHANGES)[number];

/** What all keys begin with. */
export const PREFIX = 'bench';
/** Of one transaction; etcd takes up to 128 operations. */
const BATCH = 100;

interface GatewayKey {
  readonly key: string;
  readonly value?: string;
}

interface Range {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly GatewayKey[];
}

interface Message {
  readonly result: {
    readonly events?: readonly { readonly type?: 'DELETE'; readonly kv: GatewayKey }[];
  };
}

export async function fillEtcd(address: string, service: string, ids: readonly string[]): Promise<void> {
  const client = clientOf(address);
  for (let from = 0; from < ids.length; from += BATCH) {
    const puts = ids.slice(from, from + BATCH).map((id) => ({ request_put: entry(service, id) }));
    await post(client, 'kv/txn', { success: puts });
  }
  await client.close();
}

export async function openEtcdWriter(address: string, service: string): Promise<Writer<EtcdChange>> {
  const client = clientOf(address);
  const written = entry(service, CHANGING_ID);
  const make: Readonly<Record<EtcdChange, () => Promise<unknown>>> = {
    put: () => post(client, 'kv/put', written),
    delete: () => post(client, 'kv/deleterange', { key: written.key }),
  };
  return { make: (change) => make[change](), close: () => client.close() };
}

/** Tells one list. */
export const readRange: Follow = async (address, service, onList) => {
  const client = clientOf(address);
  const { weights } = await rangeOf(client, service);
  onList(seen(weights));
  return () => client.close();
};

export const followByWatch: Follow = async (address, service, onList) => {
  const client = clientOf(address);
  const stop = new AbortController();
  const { weights, revision } = await rangeOf(client, service);
  const tell = (): void => onList(seen(weights));
  tell();
  const create = { ...keysOf(service), start_revision: String(revision + 1) };
  const { body } = await send(client, 'watch', { create_request: create }, stop.signal);
  const ended = readMessages(body, ({ result }) => {
    for (const { type, kv } of result.events ?? []) {
      if (type === 'DELETE') weights.delete(idOf(kv, service));
      else weights.set(idOf(kv, service), weightIn(kv));
    }
    if (result.events !== undefined) tell();
  }).catch(() => {});
  return endOf(client, stop, ended);
};

function endOf(client: Client, stop: AbortController, ended: Promise<void>): Closer {
  return async () => {
    stop.abort();
    await ended;
    await client.destroy();
  };
}

async function rangeOf(
  client: Client,
  service: string,
): Promise<{ weights: Map<string, number>; revision: number }> {
  const { header, kvs = [] } = (await post(client, 'kv/range', keysOf(service))) as Range;
  const weights = new Map(kvs.map((kv) => [idOf(kv, service), weightIn(kv)]));
  return { weights, revision: Number(header.revision) };
}

async function readMessages(
  body: Dispatcher.ResponseData['body'],
  onMessage: (message: Message) => void,
): Promise<void> {
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + (chunk as Buffer).toString('latin1')).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) onMessage(JSON.parse(line) as Message);
  }
}

/** Two requests at a time, as the stream lasts. */
function clientOf(address: string): Client {
  return new Client(`http://${address}`, { bodyTimeout: 0, headersTimeout: 0 });
}

async function post(client: Client, path: string, body: unknown): Promise<unknown> {
  return JSON.parse(await (await send(client, path, body)).body.text());
}

function send(
  client: Client,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const headers = { 'content-type': 'application/json' };
  return client.request({
    method: 'POST',
    path: `/v3/${path}`,
    headers,
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
}

function entry(service: string, id: string): { readonly key: string; readonly value: string } {
  return { key: toBase64(keyOf(service, id)), value: entryOf(service, id, 1).toString('base64') };
}

function keyOf(service: string, id: string): string {
  return `${PREFIX}/${service}/${id}`;
}

/** All that begin with the service and a slash; `0` follows the slash. */
function keysOf(service: string): { readonly key: string; readonly range_end: string } {
  return { key: toBase64(keyOf(service, '')), range_end: toBase64(`${PREFIX}/${service}0`) };
}

function idOf({ key }: GatewayKey, service: string): string {
  return Buffer.from(key, 'base64').toString('utf8').slice(keyOf(service, '').length);
}

function weightIn({ value = '' }: GatewayKey): number {
  const text = Buffer.from(value, 'base64').toString('utf8');
  return (JSON.parse(text) as { readonly weight: number }).weight;
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
