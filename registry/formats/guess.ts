/**
 * Which format an entry looks like, by the few marks that no other format has: for `?format=auto`, and for the message
 * about an entry that is not in the format that was asked for. Only formats count that the registry has a use for.
 */
import { parseHostPort } from '../../runtime/host-port.js';
import type { Entry } from './format.js';
import { isObject, parseJson, readText } from './reading.js';

interface Look {
  readonly name: string;
  /** Empty where there is no data, or too much of it. */
  readonly text: string;
  /** The text as JSON; undefined for what is none. */
  readonly value: unknown;
}

/** The more telling marks first. */
const MARKS: readonly (readonly [format: string, fits: (look: Look) => boolean])[] = [
  ['nerve-path', ({ name }) => /^base64_\d+_/.test(name)],
  ['dubbo', ({ name }) => /^[a-z][a-z0-9+.-]*%3A%2F%2F/i.test(name)],
  ['host-port', ({ value }) => Array.isArray(value) && value.length === 2 && typeof value[0] === 'string'],
  ['serverset', hasFields('serviceEndpoint', 'status')],
  ['curator', hasFields('name', 'id', 'address', 'serviceType')],
  ['kafka', hasFields('host', 'port', 'jmx_port', 'version')],
  ['pilotfish', hasFields('id', 'host', 'port')],
  ['nerve', hasFields('host', 'port', 'name')],
  ['kratos', hasFields('id', 'name', 'endpoints')],
  ['etcd-naming', hasFields('Op', 'Addr')],
  ['skydns', hasFields('host', 'port')],
  ['go-zero', ({ text }) => isAddress(text)],
  ['address', ({ name, text }) => isAddress(text) || isAddress(name)],
];

/** These are read in the same way. */
const READ_ALIKE: Readonly<Record<string, string>> = { spring: 'curator' };

/** The name of one of the `known` formats, or undefined for what looks like none. Never throws. */
export function looksLike({ name, data }: Entry, known: readonly string[]): string | undefined {
  const read = readText(data);
  const text = read.ok ? read.value.trim() : '';
  const look: Look = { name, text, value: parseJson(text) };
  return MARKS.find(([format, fits]) => known.includes(format) && fits(look))?.[0];
}

/** What to add to the reason why an entry is no instance in `format`. */
export function hintFor(entry: Entry, format: string, known: readonly string[]): string {
  const likely = looksLike(entry, known);
  const isNews = likely !== undefined && likely !== (READ_ALIKE[format] ?? format);
  return isNews ? `; it looks like format=${likely}` : '';
}

function hasFields(...fields: readonly string[]): (look: Look) => boolean {
  return ({ value }) => isObject(value) && fields.every((field) => Object.hasOwn(value, field));
}

function isAddress(text: string): boolean {
  return parseHostPort(text) !== undefined;
}
