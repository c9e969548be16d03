/**
 * Which format an entry looks like, by the few marks that no other format has: for `?format=auto`, and for the message
 * about an entry that is not in the format that was asked for.
 */
import { parseHostPort } from '../../runtime/host-port.js';
import type { Entry } from './format.js';
import { isObject, parseJson, readText } from './reading.js';

/** The fields that together mark the JSON object of a format; the more telling ones first. */
const MARKS: readonly (readonly [format: string, fields: readonly string[]])[] = [
  ['serverset', ['serviceEndpoint', 'status']],
  ['curator', ['name', 'id', 'address', 'serviceType']],
  ['kafka', ['host', 'port', 'jmx_port', 'version']],
  ['pilotfish', ['id', 'host', 'port']],
  ['nerve', ['host', 'port', 'name']],
  ['kratos', ['id', 'name', 'endpoints']],
  ['etcd-naming', ['Op', 'Addr']],
];

/** The name of the format, or undefined for what looks like none. Never throws. */
export function looksLike({ name, data }: Entry): string | undefined {
  if (/^base64_\d+_/.test(name)) return 'nerve-path';
  if (/^[a-z][a-z0-9+.-]*%3A%2F%2F/i.test(name)) return 'dubbo';
  const text = readText(data);
  if (!text.ok) return undefined;
  const value = parseJson(text.value);
  if (Array.isArray(value) && value.length === 2 && typeof value[0] === 'string') return 'host-port';
  if (isObject(value)) {
    const found = MARKS.find(([, fields]) => fields.every((field) => Object.hasOwn(value, field)));
    if (found !== undefined) return found[0];
  }
  return parseHostPort(text.value.trim()) !== undefined || parseHostPort(name) !== undefined
    ? 'address'
    : undefined;
}

/** What to add to the reason why an entry is no instance in `format`. */
export function hintFor(entry: Entry, format: string): string {
  const likely = looksLike(entry);
  return likely === undefined || likely === format ? '' : `; it looks like format=${likely}`;
}
