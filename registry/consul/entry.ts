/**
 * How an instance is written into a Consul agent. What Consul has a field for goes there, so that DNS, its web page
 * and other clients see it; the rest goes into Meta under keys that start with `pilotfish-`.
 *
 * | instance | Consul |
 * |---|---|
 * | service, id | `Service`, and `ID` = `<service>~<id>`: Consul wants it unique per agent, not per service |
 * | endpoint, tags | `Address`, `Port`, `Tags` |
 * | weight | exactly in Meta; `Weights` rounded, at least 1, because Consul has no weight 0 |
 * | status `passing`, `warning` | of the TTL check `service:<ID>` |
 * | status `draining`, `maintenance`, with its note | Consul's maintenance mode, see `maintenance.ts` |
 * | zone, version, any other note | Meta `pilotfish-zone`, `pilotfish-version`, `pilotfish-note` |
 * | metadata | Meta, key by key |
 */
import { BadInputError, describe, type Problem } from '../../runtime/expected.js';
import type { Instance } from '../contract.js';
import { type CheckHealth, healthOf, maintenanceIdOf, reasonOf } from './maintenance.js';

/** Meta keys of our own. */
export const META = {
  id: 'pilotfish-id',
  /** Which registration handle wrote the entry; tells our entry from that of another process with the same id. */
  owner: 'pilotfish-owner',
  weight: 'pilotfish-weight',
  zone: 'pilotfish-zone',
  version: 'pilotfish-version',
  note: 'pilotfish-note',
} as const;

const META_PREFIX = 'pilotfish-';

// Consul's limits for Meta.
const MAX_META_KEYS = 64;
const MAX_META_KEY_LENGTH = 128;
const MAX_META_VALUE_BYTES = 512;

/** Everything the agent is told about an entry. */
export interface AgentEntry {
  readonly id: string;
  readonly checkId: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  /** The same for both states: the check says how we are, not how much we take. */
  readonly weights: { readonly Passing: number; readonly Warning: number };
  /** Of the TTL check. */
  readonly health: CheckHealth;
  readonly maintenanceId: string;
  /** Why it is out of service; undefined for an entry that is in service. */
  readonly reason: string | undefined;
}

/** The `Service.ID` of an instance. Its first `~` ends the service, so one in its name becomes what no name may hold. */
export function entryId(service: string, id: string): string {
  return `${service.replaceAll('~', '!')}~${id}`;
}

/** The id of an entry's TTL check, as Consul itself would name it. */
export function checkIdOf(entryId: string): string {
  return `service:${entryId}`;
}

/** Throws a `BadInputError` when Consul cannot hold the instance's metadata. */
export function encodeEntry(instance: Instance, owner: string): AgentEntry {
  const { service, endpoint, weight, tags, status } = instance;
  const id = entryId(service, instance.id);
  const whole = Math.max(1, Math.round(weight));
  return {
    id,
    checkId: checkIdOf(id),
    name: service,
    address: endpoint.host,
    port: endpoint.port,
    tags,
    meta: encodeMeta(instance, owner),
    weights: { Passing: whole, Warning: whole },
    health: healthOf(status),
    maintenanceId: maintenanceIdOf(id),
    reason: reasonOf(instance),
  };
}

/** The metadata of an entry without our own keys. */
export function metadataOf(meta: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(META_PREFIX)));
}

function encodeMeta(instance: Instance, owner: string): Record<string, string> {
  const { id, weight, zone, version, note, metadata } = instance;
  const own = {
    [META.id]: id,
    [META.owner]: owner,
    [META.weight]: String(weight),
    ...(zone === undefined ? {} : { [META.zone]: zone }),
    ...(version === undefined ? {} : { [META.version]: version }),
    ...(note === undefined || reasonOf(instance) !== undefined ? {} : { [META.note]: note }),
  };
  const problems = Object.keys(metadata).flatMap(keyProblems);
  const meta = { ...metadata, ...own };
  for (const [key, value] of Object.entries(meta)) problems.push(...valueProblems(key, value));
  const count = Object.keys(meta).length;
  if (count > MAX_META_KEYS) {
    const most = MAX_META_KEYS - Object.keys(own).length;
    problems.push({ path: 'metadata', expected: `at most ${most} keys for Consul`, got: `${count}` });
  }
  if (problems.length > 0) throw new BadInputError(problems);
  return meta;
}

function keyProblems(key: string): Problem[] {
  const right = /^[A-Za-z0-9_-]+$/.test(key) && key.length <= MAX_META_KEY_LENGTH;
  if (right && !/^(consul|pilotfish)-/.test(key)) return [];
  const expected = `a key of letters, digits, _ and - that starts with neither consul- nor ${META_PREFIX}, up to ${MAX_META_KEY_LENGTH} characters`;
  return [{ path: 'metadata', expected, got: describe(key) }];
}

function valueProblems(key: string, value: string): Problem[] {
  const bytes = Buffer.byteLength(value);
  if (bytes <= MAX_META_VALUE_BYTES) return [];
  const path = key.startsWith(META_PREFIX) ? key.slice(META_PREFIX.length) : `metadata.${key}`;
  return [{ path, expected: `at most ${MAX_META_VALUE_BYTES} bytes for Consul`, got: `${bytes}` }];
}
