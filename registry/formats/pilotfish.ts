/**
 * pilotfish's own wire format: one flat JSON object per entry, used wherever the registry stores bytes (ZooKeeper, etcd,
 * local files). Unknown fields are ignored, so that a newer writer does not hide itself from an older reader.
 */
import { describe } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';
import { type Result, rejected } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import type { InstanceInput } from '../instance.js';
import type { Format } from './format.js';
import { expectService, instanceFrom, isObject, parseJson, readText } from './reading.js';
import { jsonData } from './writing.js';

export { MAX_ENTRY_BYTES } from './reading.js';

const NOTHING = new Uint8Array();

export const pilotfish: Format = {
  name: 'pilotfish',
  folder: (service) => service,
  needsData: true,
  nameIsId: true,
  isSequential: false,
  encode: (instance) => ({ name: instance.id, data: encodeInstance(instance) }),
  decode: ({ name, data = NOTHING }, service) => decodeInstance(data, service, name),
};

/** Throws BAD_INPUT for an instance that is larger than readers take. */
export function encodeInstance(instance: Instance): Buffer {
  const { service, id, endpoint, weight, status, note, zone, version, tags, metadata } = instance;
  const { host, port } = endpoint;
  return jsonData({ service, id, host, port, weight, status, note, zone, version, tags, metadata });
}

/** The instance in `data`, which must say it is `id` of `service`, or the reason why it is none. Never throws. */
export function decodeInstance(data: Uint8Array, service: string, id: string): Result<Instance, string> {
  const text = readText(data);
  if (!text.ok) return text;
  // However deep it is, `instanceFrom` looks at the fields it knows, and at no other.
  const object = parseJson(text.value);
  if (!isObject(object))
    return rejected(`expected a JSON object, got "${printable(text.value, 80)}", at entry`);
  const parsed = instanceFrom(sharing(object as unknown as InstanceInput, service, id));
  if (!parsed.ok) return parsed;
  if (parsed.value.id !== id) return rejected(`expected "${id}", got ${describe(parsed.value.id)}, at id`);
  return expectService(parsed.value, service);
}

/** Texts that the caller has already are not kept a second time: a long list is a seventh smaller, and quicker to collect. */
function sharing(
  fields: { -readonly [Field in keyof InstanceInput]: InstanceInput[Field] },
  service: string,
  id: string,
): InstanceInput {
  if (fields.service === undefined || fields.service === service) fields.service = service;
  if (fields.id === id) fields.id = id;
  return fields;
}
