/**
 * SmartStack's nerve: `<instance_id>_<number>` with a JSON object; synapse and Prometheus' nerve discovery read it. One
 * nerve gives all its entries the same instance id, so of entries that pilotfish did not write the port is a part of the id.
 */
import type { Result } from '../../runtime/result.js';
import { rejected } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import type { Format } from './format.js';
import { type Fields, fieldsOf, instanceFrom, portOf, readObject } from './reading.js';
import { sequenceOf, withoutSequence } from './sequence.js';
import { fieldsOfTexts, ID_KEY, joined, metadataOf, type TextMap, textsOf, weightIn } from './text-map.js';
import { isLeaving, jsonData } from './writing.js';

export const nerve: Format = {
  name: 'nerve',
  folder: (service) => service,
  needsData: true,
  nameIsId: false,
  isSequential: true,
  // Weight 0 is one that synapse heeds.
  hides: isLeaving,
  encode: (instance) => ({ name: `${instance.id}_`, data: jsonData(toNerve(instance)) }),
  decode({ name, data }, service) {
    const object = readObject(data);
    return object.ok ? fromNerve(object.value, service, name) : object;
  },
};

/** The object nerve writes. Its weights are whole numbers, and one that is not 0 must not become 0. */
export function toNerve(instance: Instance): Fields {
  const { id, endpoint, weight } = instance;
  const { weight: _weight, ...texts } = textsOf(instance) as TextMap & { readonly weight?: string };
  const whole = weight === 0 ? 0 : Math.max(1, Math.round(weight));
  return { ...endpoint, name: id, weight: whole, labels: { ...texts, [ID_KEY]: id } };
}

/** @param entryName the name of its entry, unless that holds the object itself */
export function fromNerve(object: Fields, service: string, entryName?: string): Result<Instance, string> {
  const { host, port: written, name, weight, labels } = object;
  if (typeof name !== 'string') return rejected('expected a text, got something else, at name');
  const port = portOf(written);
  const texts = fieldsOf(labels);
  const fields = fieldsOfTexts(joined(metadataOf(object, isField), texts));
  return instanceFrom({
    service,
    host,
    port,
    ...fields,
    id: texts[ID_KEY] ?? `${givenName(entryName) ?? name}:${port}`,
    weight: weightIn(weight) ?? weight ?? fields.weight,
  });
}

function isField(key: string): boolean {
  return key === 'host' || key === 'port' || key === 'name' || key === 'weight' || key === 'labels';
}

/** What nerve calls the instance in the name of its entry; undefined for a name that no nerve has written. */
function givenName(entryName: string | undefined): string | undefined {
  if (entryName === undefined || sequenceOf(entryName) < 0) return undefined;
  return withoutSequence(entryName).replace(/_$/, '');
}
