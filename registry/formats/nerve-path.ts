/**
 * nerve's path encoding: the object is in the name of its entry, `base64_<length>_<base64 of the JSON>_<number>`, so a
 * list of any length is one read. nerve writes it as the data too, for readers that know of no encoding; so do we. Where it
 * is told to write nodes that are not sequential, the number is missing.
 */
import { describe } from '../../runtime/expected.js';
import { rejected } from '../../runtime/result.js';
import type { Format } from './format.js';
import { fromNerve, toNerve } from './nerve.js';
import { readObject } from './reading.js';
import { isLeaving, jsonData } from './writing.js';

/** What nerve itself keeps to. */
const MAX_NAME_LENGTH = 65_536;

export const nervePath: Format = {
  name: 'nerve-path',
  folder: (service) => service,
  needsData: false,
  nameIsId: false,
  isSequential: true,
  hides: isLeaving,
  encode(instance) {
    const data = jsonData(toNerve(instance));
    const text = paddedBase64(data);
    return { name: `base64_${text.length}_${text}_`, data };
  },
  decode({ name }, service) {
    if (name.length > MAX_NAME_LENGTH) {
      return rejected(`expected at most ${MAX_NAME_LENGTH} characters, got ${name.length}, at name`);
    }
    const text = encodedIn(name);
    if (text === undefined) {
      return rejected(`expected base64_<length>_<base64>_<number>, got ${describe(name)}, at name`);
    }
    const object = readObject(Buffer.from(text, 'base64url'));
    return object.ok ? fromNerve(object.value, service) : object;
  },
};

/** As long as the name says, since base64 may hold what stands behind it. */
function encodedIn(name: string): string | undefined {
  const [head, length] = /^base64_(\d{1,6})_/.exec(name) ?? [];
  if (head === undefined) return undefined;
  const end = head.length + Number(length);
  const text = name.slice(head.length, end);
  return /^[\w-]*={0,2}$/.test(text) && /^_(\d{10})?$/.test(name.slice(end)) ? text : undefined;
}

/** With padding, which strict decoders ask for. */
function paddedBase64(data: Buffer): string {
  return data.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
