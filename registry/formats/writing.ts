/** What every format that is written writes with. */
import { reject } from '../../runtime/expected.js';
import type { Instance } from '../contract.js';
import { MAX_ENTRY_BYTES } from './reading.js';

const SIZE_RULE = `at most ${MAX_ENTRY_BYTES} bytes, of tags and metadata most of all`;

/** Throws BAD_INPUT for data that is larger than readers take. */
export function jsonData(value: unknown): Buffer {
  const data = Buffer.from(JSON.stringify(value));
  if (data.byteLength > MAX_ENTRY_BYTES) reject('entry', SIZE_RULE, `${data.byteLength}`);
  return data;
}

/** True for one that drains or is in maintenance: what a format `hides` that has no field for it. */
export function isLeaving({ status }: Instance): boolean {
  return status === 'draining' || status === 'maintenance';
}

/** True for one that is to get no new traffic: what a format `hides` that has no field for a weight either. */
export function isIdle(instance: Instance): boolean {
  return isLeaving(instance) || instance.weight === 0;
}
