/**
 * nerve's path encoding: the object is in the name of its entry, `base64_<length>_<base64 of the JSON>_<number>`, so a
 * list of any length is one read.
 */
import { describe } from '../../runtime/expected.js';
import { rejected } from '../../runtime/result.js';
import type { Format } from './format.js';
import { fromNerve, toNerve } from './nerve.js';
import { readObject } from './reading.js';
import { isLeaving, jsonData } from './writing.js';

/** What nerve itself keeps to. */
const MAX_NAME_LENGTH = 65_536;
const NOTHING = Buffer.alloc(0);

export const nervePath: Format = {
  name: 'nerve-path',
  folder: (service) => service,
  needsData: false,
  nameIsId: false,
  isSequential: true,
  hides: isLeaving,
  encode(instance) {
    const text = paddedBase64(jsonData(toNerve(instance)));
    return { name: `base64_${text.length}_${text}_`, data: NOTHING };
  },
  decode({ name }, service) {
    if (name.length > MAX_NAME_LENGTH) {
      return rejected(`expected at most ${MAX_NAME_LENGTH} characters, got ${name.length}, at name`);
    }
    const [, length, text] = /^base64_(\d{1,6})_([\w-]*={0,2})_\d{10}$/.exec(name) ?? [];
    if (text === undefined || text.length !== Number(length)) {
      return rejected(`expected base64_<length>_<base64>_<number>, got ${describe(name)}, at name`);
    }
    const object = readObject(Buffer.from(text, 'base64url'));
    return object.ok ? fromNerve(object.value, service) : object;
  },
};

/** With padding, which strict decoders ask for. */
function paddedBase64(data: Buffer): string {
  return data.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
