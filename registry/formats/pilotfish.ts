/**
 * pilotfish's own wire format: one flat JSON object per entry, used wherever the registry stores bytes (ZooKeeper,
 * local files). Unknown fields are ignored, so that a newer writer does not hide itself from an older reader.
 */
import { describe, formatProblem, reject } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import { type InstanceInput, parseInstance } from '../instance.js';

/** Larger entries are refused: by readers before they are parsed, and so by writers before they are written. */
export const MAX_ENTRY_BYTES = 16 * 1024;

/** Throws BAD_INPUT for an instance that is larger than readers take. */
export function encodeInstance(instance: Instance): Buffer {
  const { service, id, endpoint, weight, status, note, zone, version, tags, metadata } = instance;
  const { host, port } = endpoint;
  const data = Buffer.from(
    JSON.stringify({ service, id, host, port, weight, status, note, zone, version, tags, metadata }),
  );
  if (data.byteLength > MAX_ENTRY_BYTES) reject('entry', SIZE_RULE, `${data.byteLength}`);
  return data;
}

const SIZE_RULE = `at most ${MAX_ENTRY_BYTES} bytes, of tags and metadata most of all`;

/** The instance in `data`, which must say it is `id` of `service`, or the reason why it is none. Never throws. */
export function decodeInstance(data: Uint8Array, service: string, id: string): Result<Instance, string> {
  if (data.byteLength > MAX_ENTRY_BYTES) {
    return rejected(`expected at most ${MAX_ENTRY_BYTES} bytes, got ${data.byteLength}, at entry`);
  }
  const text = textOf(data);
  const object = parseObject(text);
  if (object === undefined) return rejected(`expected a JSON object, got "${printable(text, 80)}", at entry`);
  const parsed = parseInstance(object.service === undefined ? { ...object, service } : object);
  if (!parsed.ok) return rejected(parsed.error.map(formatProblem).join('; '));
  if (parsed.value.id !== id) return rejected(`expected "${id}", got ${describe(parsed.value.id)}, at id`);
  if (parsed.value.service !== service) {
    return rejected(`expected "${service}", got ${describe(parsed.value.service)}, at service`);
  }
  return valid(parsed.value);
}

/** A view of the bytes, not a copy. */
function textOf(data: Uint8Array): string {
  const buffer = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return buffer.toString('utf8');
}

/** Its fields are unknown still; `parseInstance` looks at those it knows, and at no other. */
function parseObject(text: string): InstanceInput | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as InstanceInput)
      : undefined;
  } catch {
    return undefined;
  }
}
