/** What the tests of etcd share: plain requests to a member, beside the client that is tested. */
import { listOf } from '../../registry/etcd/decode.js';
import type { Fields } from '../../runtime/fields.js';
import type { Random } from '../../runtime/random.js';

export function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The answer of the JSON gateway; throws when it is no success. */
export async function etcdPost(
  address: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Fields> {
  const answer = await fetch(`http://${address}/v3/${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Fields;
}

/** What is there below a prefix, as etcd tells it. */
export async function keysAt(address: string, prefix: string): Promise<readonly Fields[]> {
  const range = { key: toBase64(prefix), range_end: toBase64(`${prefix.slice(0, -1)}0`) };
  return listOf((await etcdPost(address, 'kv/range', range)).kvs) as readonly Fields[];
}

export async function leasesAt(address: string): Promise<readonly string[]> {
  const { leases } = await etcdPost(address, 'lease/leases', {});
  return listOf(leases).map((lease) => String((lease as Fields).ID));
}

/** Leaves every list in its order, so that the first member of a URL is the one that is used, and waits the longest. */
export const inOrder: Random = { next: () => 2 ** 32 - 1 };
