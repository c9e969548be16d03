/**
 * Reads the answer of `/v1/health/service/<name>`: entries of pilotfish, of other registrars and of nobody sane.
 * Each is judged alone, so that a bad one is skipped and never spoils the list.
 *
 * The id of an entry that is not ours is `<node>~<Service.ID>`, always: a Service.ID is unique on its agent only,
 * and an id that changed when a second agent shows up would look like a removal.
 *
 * A proxy of Consul's service mesh is registered under a service name of its own and speaks only to other proxies, so it
 * is nobody's instance.
 */

import { PilotfishError } from '../../runtime/errors.js';
import { describe, formatProblem } from '../../runtime/expected.js';
import { type Fields, fieldsOf } from '../../runtime/fields.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Instance, Rejection } from '../contract.js';
import { escaped } from '../formats/entry-name.js';
import { isWeight, parseInstance } from '../instance.js';
import { entryId, META, metadataOf } from './entry.js';
import { type Check, type CheckHealth, type Condition, conditionOf } from './maintenance.js';
import type { AddressTag } from './settings.js';

export interface HealthList {
  readonly instances: readonly Instance[];
  readonly rejected: readonly Rejection[];
}

/** The instances in the answer, without the critical ones. Throws UNAVAILABLE when the answer is no list at all. */
export function decodeHealth(service: string, json: unknown, address?: AddressTag): HealthList {
  if (!Array.isArray(json)) {
    throw new PilotfishError(
      'UNAVAILABLE',
      `expected a list, got ${describe(json)}, at health of ${service}`,
    );
  }
  const found: { readonly instance: Instance; readonly modified: number }[] = [];
  const rejections: Rejection[] = [];
  for (const item of json) {
    const fields = fieldsOf(item);
    const entry = fieldsOf(fields.Service);
    if (isProxy(entry)) continue;
    const condition = conditionOf(checksOf(fields.Checks), isOurEntry(fieldsOf(entry.Meta)));
    if (condition === undefined) continue;
    const decoded = decodeEntry(service, entry, fieldsOf(fields.Node), condition, address);
    if (decoded.ok) found.push({ instance: decoded.value, modified: Number(entry.ModifyIndex) || 0 });
    else rejections.push(rejectionOf(service, fields, condition, decoded.error));
  }
  // One id on two agents is an instance that moved, and of several with one id the last in the list counts.
  found.sort((a, b) => a.modified - b.modified);
  return { instances: found.map(({ instance }) => instance), rejected: rejections };
}

/** One `Service` object, from the catalog or from the agent. `node` is where it runs, `address` which address to prefer. */
export function decodeEntry(
  service: string,
  entry: Fields,
  node: Fields,
  { status, note, health }: Condition,
  address?: AddressTag,
): Result<Instance, string> {
  const meta = fieldsOf(entry.Meta);
  const ours = isOurEntry(meta);
  const parsed = parseInstance({
    service,
    id: idOf(entry, node),
    ...endpointOf(entry, node, address),
    weight: (ours ? exactWeight(meta) : undefined) ?? weightOf(fieldsOf(entry.Weights), health),
    status,
    note: note ?? (ours ? meta[META.note] : undefined),
    zone: ours ? meta[META.zone] : meta.zone,
    version: ours ? meta[META.version] : meta.version,
    tags: entry.Tags ?? [],
    metadata: metadataOf(meta),
  });
  return parsed.ok ? valid(parsed.value) : rejected(parsed.error.map(formatProblem).join('; '));
}

/** Of any kind but an ordinary service: `connect-proxy`, `mesh-gateway` and the like. */
function isProxy({ Kind }: Fields): boolean {
  return typeof Kind === 'string' && Kind !== '' && Kind !== 'typical';
}

/** The tagged address of the service, else its own, else the tagged one of its node, else that of its node. */
function endpointOf(
  entry: Fields,
  node: Fields,
  tag: AddressTag | undefined,
): { readonly host: unknown; readonly port: unknown } {
  const tagged = tag === undefined ? undefined : taggedOf(entry, tag);
  if (tagged !== undefined) return tagged;
  const nodes = tag === undefined ? undefined : textIn(fieldsOf(node.TaggedAddresses)[tag]);
  return { host: given(entry.Address) ?? nodes ?? node.Address, port: entry.Port };
}

/** Those of a service are objects; older documentation shows their fields in lower case. A port of 0 means the usual one. */
function taggedOf(
  entry: Fields,
  tag: AddressTag,
): { readonly host: string; readonly port: unknown } | undefined {
  const tagged = fieldsOf(fieldsOf(entry.TaggedAddresses)[tag]);
  const host = textIn(tagged.Address ?? tagged.address);
  return host === undefined ? undefined : { host, port: tagged.Port || tagged.port || entry.Port };
}

/** Anything but nothing: what is there and wrong is to be rejected, not passed over. */
function given(value: unknown): unknown {
  return value === '' || value === null ? undefined : value;
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isOurEntry(meta: Fields): boolean {
  return meta[META.id] !== undefined;
}

function exactWeight(meta: Fields): number | undefined {
  const text = meta[META.weight];
  const weight = typeof text === 'string' && text !== '' ? Number(text) : undefined;
  return isWeight(weight) ? weight : undefined;
}

function weightOf(weights: Fields, health: CheckHealth): unknown {
  return (health === 'passing' ? weights.Passing : weights.Warning) ?? 1;
}

/** One that was taken out of service is not kept as it was. An entry of ours shows whose it is also when its metadata is gone. */
function rejectionOf(service: string, fields: Fields, { status }: Condition, reason: string): Rejection {
  const entry = fieldsOf(fields.Service);
  const own = entryId(service, '');
  const ours =
    typeof entry.ID === 'string' && entry.ID.startsWith(own) ? entry.ID.slice(own.length) : undefined;
  const isInService = status === 'passing' || status === 'warning';
  const id = isInService ? (ours ?? idOf(entry, fieldsOf(fields.Node))) : undefined;
  return { entry: entryName(fields), reason, id };
}

/** Undefined, which no instance may be called, when there is none. */
function idOf(entry: Fields, node: Fields): string | undefined {
  const meta = fieldsOf(entry.Meta);
  return isOurEntry(meta) ? textIn(meta[META.id]) : foreignId(node.Node, entry.ID);
}

/** Undefined when either part is missing. */
function foreignId(node: unknown, id: unknown): string | undefined {
  if (typeof node !== 'string' || typeof id !== 'string' || id === '') return undefined;
  return `${escaped(node, /[^A-Za-z0-9._-]|^\./g)}~${escaped(id, /[^A-Za-z0-9._~:@+,-]/g)}`;
}

function entryName({ Node, Service }: Fields): string {
  const name = `${String(fieldsOf(Node).Node)}/${String(fieldsOf(Service).ID)}`;
  return name.slice(0, 512);
}

/** None for anything that is no list. */
function checksOf(value: unknown): readonly Check[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

/** Each check by its id. */
export function checksById(value: unknown): ReadonlyMap<unknown, Check> {
  return new Map(checksOf(value).map((check) => [check.CheckID, check]));
}
