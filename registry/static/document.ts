/**
 * The text of an endpoints file as data: JSON, or YAML for names that end in .yaml or .yml. A text that is broken
 * throws with its line and column, so that the watch breaks and the last good list stays.
 */
import { extname } from 'node:path';
import { PilotfishError } from '../../runtime/errors.js';
import { describe } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';
import { jsonErrorOffset, lineAndColumn } from './json-position.js';

/** Services by name; what each holds is not judged yet. */
export type Document = ReadonlyMap<string, unknown>;

export function isYaml(file: string): boolean {
  return ['.yaml', '.yml'].includes(extname(file).toLowerCase());
}

/** Throws UNAVAILABLE, *expected X, got Y, at file:line:column*: the file may be whole a moment later. */
export async function parseDocument(text: string, file: string): Promise<Document> {
  const value = isYaml(file) ? await parseYaml(text, file) : parseJson(text, file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return new Map(Object.entries(value));
  }
  throw broken('an object of services', describe(value), `${file}:1:1`);
}

export function broken(expected: string, got: string, place: string): PilotfishError {
  return new PilotfishError('UNAVAILABLE', `expected ${expected}, got ${got}, at ${place}`);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const offset = jsonErrorOffset(text);
    const rest = text.slice(offset, offset + 20);
    const got = rest === '' ? 'the end of the file' : `"${printable(rest)}"`;
    throw broken('JSON', got, `${file}:${lineAndColumn(text, offset)}`);
  }
}

async function parseYaml(text: string, file: string): Promise<unknown> {
  const { parseDocument: parse } = await import('yaml');
  const document = parse(text, { prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) {
    throw broken('YAML', printable(error.message, 120), `${file}:${lineAndColumn(text, error.pos[0])}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw broken('YAML', printable((cause as Error).message, 120), file);
  }
}
