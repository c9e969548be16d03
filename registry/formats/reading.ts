/**
 * What every JSON format reads with. The text is whatever a stranger left in the registry, so its size, its depth and
 * the number of its fields are limited before anything is made of it.
 */
import { describe, formatProblem } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import { type InstanceInput, parseInstance } from '../instance.js';

/** Larger entries are refused: by readers before they are parsed, and so by writers before they are written. */
export const MAX_ENTRY_BYTES = 16 * 1024;
/** No format nests deeper than half of this. */
const MAX_DEPTH = 16;

/** Fields of unknown types. */
export type Fields = Readonly<Record<string, unknown>>;

/** The text of an entry; an entry that has no data is an empty one. */
export function readText(data: Uint8Array | undefined): Result<string, string> {
  if (data === undefined) return valid('');
  if (data.byteLength > MAX_ENTRY_BYTES) {
    return rejected(`expected at most ${MAX_ENTRY_BYTES} bytes, got ${data.byteLength}, at entry`);
  }
  // A view of the bytes, not a copy.
  const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return valid(bytes.toString('utf8'));
}

export function readObject(data: Uint8Array | undefined): Result<Fields, string> {
  const text = readText(data);
  return text.ok ? parseObject(text.value) : text;
}

export function parseObject(text: string): Result<Fields, string> {
  const value = parseJson(text);
  if (!isObject(value)) return rejected(`expected a JSON object, got "${printable(text, 80)}", at entry`);
  if (isDeeperThan(MAX_DEPTH, value))
    return rejected(`expected at most ${MAX_DEPTH} levels, got more, at entry`);
  return valid(value);
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object itself, or an empty one for anything that is none. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}

/** The instance of these fields, or all that is wrong with it in one line. */
export function instanceFrom(input: InstanceInput): Result<Instance, string> {
  const parsed = parseInstance(input);
  return parsed.ok ? parsed : rejected(parsed.error.map(formatProblem).join('; '));
}

/** For an entry that says itself which service it is of. */
export function expectService(instance: Instance, service: string): Result<Instance, string> {
  if (instance.service === service) return valid(instance);
  return rejected(`expected "${service}", got ${describe(instance.service)}, at service`);
}

/** A port as a number or as its digits; anything else as it is, for the validator to refuse. */
export function portOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const key in value) if (isDeeperThan(levels - 1, (value as Fields)[key])) return true;
  return false;
}
