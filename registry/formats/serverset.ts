/**
 * Finagle's serversets: `member_<number>` with a JSON object, read once because members never change; Prometheus and
 * synapse read them too. Readers keep only what is ALIVE, so an instance that drains can say so and still be left alone.
 * Weights are in `vector_*` entries beside the members, and in the metadata for pilotfish's own readers.
 */
import { formatHostPort, type HostPort } from '../../runtime/host-port.js';
import type { Instance, InstanceStatus } from '../contract.js';
import { MAX_WEIGHT } from '../instance.js';
import type { Companions, Entry, Format, Member } from './format.js';
import { type Fields, fieldsOf, instanceFrom, isObject, portOf, readObject } from './reading.js';
import { sequenceOf } from './sequence.js';
import { fieldsOfTexts, ID_KEY, joined, metadataOf, textsOf } from './text-map.js';
import { jsonData } from './writing.js';

const PREFIX = 'member_';
const VECTOR_PREFIX = 'vector_';
/** More selectors than this in one vector are not looked at. */
const MAX_SELECTORS = 1000;

const WRITTEN: Readonly<Record<InstanceStatus, string>> = {
  passing: 'ALIVE',
  warning: 'ALIVE',
  draining: 'STOPPING',
  maintenance: 'STOPPED',
};
const READ: Readonly<Record<string, InstanceStatus>> = {
  ALIVE: 'passing',
  WARNING: 'warning',
  STOPPING: 'draining',
  STOPPED: 'maintenance',
  STARTING: 'maintenance',
  DEAD: 'maintenance',
};

const vectors: Companions = {
  owns: (name) => name.startsWith(VECTOR_PREFIX),
  adjust(member, companions) {
    const factor = factorOf(member, companions);
    if (factor === 1) return member.instance;
    const weight = Math.min(member.instance.weight * factor, MAX_WEIGHT);
    return Object.freeze({ ...member.instance, weight });
  },
};

export const serverset: Format = {
  name: 'serverset',
  folder: (service) => service,
  needsData: true,
  nameIsId: false,
  isSequential: true,
  companions: vectors,
  // Its readers would give it an ordinary share.
  hides: ({ weight }) => weight === 0,
  encode: (instance) => ({ name: PREFIX, data: jsonData(toServerset(instance)) }),
  decode({ name, data }, service) {
    const object = readObject(data);
    return object.ok ? fromServerset(object.value, service, name) : object;
  },
};

function toServerset(instance: Instance): Fields {
  return {
    status: WRITTEN[instance.status],
    additionalEndpoints: {},
    serviceEndpoint: instance.endpoint,
    metadata: { ...textsOf(instance), [ID_KEY]: instance.id },
  };
}

function fromServerset(object: Fields, service: string, name: string): ReturnType<Format['decode']> {
  const { status, additionalEndpoints, serviceEndpoint, metadata } = object;
  const { host, port } = fieldsOf(serviceEndpoint);
  const texts = fieldsOf(metadata);
  const others = joined(metadataOf(object, isField), endpointTexts(additionalEndpoints));
  const fields = fieldsOfTexts(joined(others, texts));
  const read = typeof status === 'string' && Object.hasOwn(READ, status) ? READ[status] : status;
  return instanceFrom({
    service,
    host,
    port: portOf(port),
    ...fields,
    id: texts[ID_KEY] ?? name,
    status: read === 'passing' ? (fields.status ?? read) : read,
  });
}

/** `endpoint.http` is where its endpoint called `http` is. */
function endpointTexts(endpoints: unknown): Fields {
  const texts: Record<string, string> = {};
  for (const [name, endpoint] of Object.entries(fieldsOf(endpoints))) {
    const { host, port } = fieldsOf(endpoint);
    if (typeof host === 'string' && typeof port === 'number') {
      texts[`endpoint.${name}`] = formatHostPort({ host, port });
    }
  }
  return texts;
}

/** The product of the weights of all selectors that mean this member; of what is no vector nothing is taken. */
function factorOf(member: Member, companions: readonly Entry[]): number {
  let factor = 1;
  for (const { data } of companions) {
    const object = readObject(data);
    const vector = object.ok ? object.value.vector : undefined;
    if (!Array.isArray(vector) || vector.length > MAX_SELECTORS) continue;
    // Never so much that times nothing it would be no number.
    for (const selector of vector) factor = Math.min(factor * weightFor(member, selector), Number.MAX_VALUE);
  }
  return factor;
}

function weightFor({ name, instance }: Member, selector: unknown): number {
  if (!isObject(selector)) return 1;
  const { select, weight } = selector;
  if (typeof select !== 'string' || !isFactor(weight)) return 1;
  return matches(select, name, instance.endpoint, instance.metadata.shard) ? weight : 1;
}

/** JSON can hold digits that are too much for a number. */
function isFactor(weight: unknown): weight is number {
  return Number.isFinite(weight) && (weight as number) >= 0;
}

/** `inet=host:port`, `member=number`, `shard=number`. */
function matches(select: string, name: string, endpoint: HostPort, shard: string | undefined): boolean {
  const [kind, value = ''] = select.split('=', 2);
  if (kind === 'inet') return value === formatHostPort(endpoint);
  if (kind === 'member') return value !== '' && Number(value) === sequenceOf(name);
  return kind === 'shard' && value !== '' && value === shard;
}

function isField(key: string): boolean {
  return key === 'status' || key === 'additionalEndpoints' || key === 'serviceEndpoint' || key === 'metadata';
}
