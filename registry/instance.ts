/**
 * What a valid instance is. Registry data is written by strangers and configuration by tired people, so both pass
 * through this one validator: unknown fields are ignored, objects are built field by field, every limit is checked.
 */
import { describe, type Problem } from '../runtime/expected.js';
import { isHost, isPort } from '../runtime/host-port.js';
import { type Result, rejected, valid } from '../runtime/result.js';
import { INSTANCE_STATUSES, type Instance, type InstanceStatus } from './contract.js';

export const MAX_WEIGHT = 65_535;
/** Short enough that every backend can hold any legal name, with what it adds around it. */
export const MAX_NAME_LENGTH = 200;
export const MAX_TAGS = 64;
export const MAX_METADATA_KEYS = 64;
export const MAX_TEXT_LENGTH = 1024;

/** An instance as somebody wrote it down, with defaults for what may be left out. */
export interface InstanceInput {
  readonly service: unknown;
  readonly id: unknown;
  readonly host: unknown;
  readonly port: unknown;
  /** Default 1. */
  readonly weight?: unknown;
  /** Default `passing`. */
  readonly status?: unknown;
  readonly note?: unknown;
  readonly zone?: unknown;
  readonly version?: unknown;
  /** Default none. */
  readonly tags?: unknown;
  /** Default none. */
  readonly metadata?: unknown;
}

/** Names become znode paths, URL segments and file names, so anything that could climb or hide in one is refused. */
export function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= MAX_NAME_LENGTH &&
    /^[A-Za-z0-9_~:@+=,-][A-Za-z0-9._~:@+=,-]*$/.test(value)
  );
}

const WEIGHT_RULE = `a number from 0 to ${MAX_WEIGHT}`;
const STATUS_RULE = `one of: ${INSTANCE_STATUSES.join(', ')}`;
export const NAME_RULE = `a name of letters, digits and . _ ~ : @ + = , - that starts with no dot, up to ${MAX_NAME_LENGTH} characters`;

/** Checks every field and returns a frozen instance, or all that is wrong with it. */
export function parseInstance(input: InstanceInput): Result<Instance, readonly Problem[]> {
  const problems: Problem[] = [];
  const expect = (right: boolean, path: string, expected: string, value: unknown): void => {
    if (!right) problems.push({ path, expected, got: describe(value) });
  };
  const { service, id, host, port, weight = 1, status = 'passing', note, zone, version } = input;
  expect(isName(service), 'service', NAME_RULE, service);
  expect(isName(id), 'id', NAME_RULE, id);
  expect(typeof host === 'string' && isHost(host), 'host', 'an IP address or a host name', host);
  expect(isPort(port), 'port', 'a whole number from 1 to 65535', port);
  expect(isWeight(weight), 'weight', WEIGHT_RULE, weight);
  expect(isStatus(status), 'status', STATUS_RULE, status);
  expect(isOptionalText(note), 'note', TEXT_RULE, note);
  expect(isOptionalText(zone), 'zone', TEXT_RULE, zone);
  expect(isOptionalText(version), 'version', TEXT_RULE, version);
  const tags = parseTags(input.tags ?? NO_TAGS, problems);
  const metadata = parseMetadata(input.metadata ?? NO_METADATA, problems);
  if (problems.length > 0) return rejected(problems);
  return valid(
    Object.freeze({
      service: service as string,
      id: id as string,
      endpoint: Object.freeze({ host: host as string, port: port as number }),
      weight: weight as number,
      status: status as InstanceStatus,
      note: note as string | undefined,
      zone: zone as string | undefined,
      version: version as string | undefined,
      tags,
      metadata,
    }),
  );
}

/** Same service, id, endpoint and attributes. Runs for every instance of a list at every change, so it allocates nothing. */
export function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.service === b.service &&
      a.endpoint.host === b.endpoint.host &&
      a.endpoint.port === b.endpoint.port &&
      a.weight === b.weight &&
      a.status === b.status &&
      a.note === b.note &&
      a.zone === b.zone &&
      a.version === b.version &&
      sameTags(a.tags, b.tags) &&
      sameMetadata(a.metadata, b.metadata))
  );
}

function sameTags(a: Instance['tags'], b: Instance['tags']): boolean {
  return a.length === b.length && a.every((tag, i) => tag === b[i]);
}

/** The order of the keys says nothing. */
function sameMetadata(a: Instance['metadata'], b: Instance['metadata']): boolean {
  let keys = 0;
  for (const key in a) {
    if (a[key] !== b[key]) return false;
    keys++;
  }
  for (const _ in b) keys--;
  return keys === 0;
}

const TEXT_RULE = `text of at most ${MAX_TEXT_LENGTH} characters`;

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT_LENGTH;
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || isText(value);
}

export function isWeight(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_WEIGHT;
}

function isStatus(value: unknown): value is InstanceStatus {
  return (INSTANCE_STATUSES as readonly unknown[]).includes(value);
}

/** Shared by the many instances that have none, which makes a long list smaller and quicker to build. */
const NO_TAGS: Instance['tags'] = Object.freeze([]);
const NO_METADATA: Instance['metadata'] = Object.freeze(Object.create(null));

function parseTags(value: unknown, problems: Problem[]): Instance['tags'] {
  if (Array.isArray(value) && value.length === 0) return NO_TAGS;
  if (Array.isArray(value) && value.length <= MAX_TAGS && value.every(isText)) {
    return Object.freeze([...value]);
  }
  problems.push({ path: 'tags', expected: `a list of at most ${MAX_TAGS} texts`, got: describe(value) });
  return NO_TAGS;
}

/** Keys that would reach a prototype are dropped, not reported: they are never data. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

function parseMetadata(value: unknown, problems: Problem[]): Instance['metadata'] {
  const fail = (path: string, expected: string, got: unknown): Instance['metadata'] => {
    problems.push({ path, expected, got: describe(got) });
    return NO_METADATA;
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail('metadata', 'an object of texts', value);
  }
  const keys = Object.keys(value).filter((key) => !PROTOTYPE_KEYS.has(key));
  if (keys.length > MAX_METADATA_KEYS) {
    return fail('metadata', `at most ${MAX_METADATA_KEYS} keys`, keys.length);
  }
  if (keys.length === 0) return NO_METADATA;
  const result: Record<string, string> = Object.create(null);
  for (const key of keys) {
    const text = (value as Record<string, unknown>)[key];
    if (isText(text) && key.length <= MAX_NAME_LENGTH) result[key] = text;
    else fail(`metadata.${key.slice(0, MAX_NAME_LENGTH)}`, TEXT_RULE, text);
  }
  return Object.freeze(result);
}
