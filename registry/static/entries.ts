/**
 * The instances of one service in an endpoints file: `"10.0.0.1:8080"`, or an object with `host`, `port` and any of
 * `id`, `weight`, `status`, `note`, `zone`, `version`, `tags`, `metadata`. An entry without `id` is named by its address.
 */
import { describe, formatProblem } from '../../runtime/expected.js';
import { fieldsOf } from '../../runtime/fields.js';
import { parseHostPort } from '../../runtime/host-port.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Instance, Rejection } from '../contract.js';
import { parseInstance } from '../instance.js';
import { broken, type Document } from './document.js';

export interface Entries {
  readonly instances: readonly Instance[];
  readonly rejected: readonly Rejection[];
}

/** A service that is not in the file has no entries. Throws UNAVAILABLE when it is there and holds no list. */
export function entriesOf(document: Document, service: string, file: string): Entries {
  const list = document.has(service) ? document.get(service) : [];
  if (!Array.isArray(list)) throw broken('a list of endpoints', describe(list), `${service} in ${file}`);
  const instances = new Map<string, Instance>();
  const rejections: Rejection[] = [];
  for (const [index, item] of list.entries()) {
    const path = `${service}[${index}]`;
    const parsed = parseEntry(service, item, path);
    if (!parsed.ok) rejections.push({ entry: nameOf(item, path), reason: parsed.error, id: idOf(item) });
    else if (!instances.has(parsed.value.id)) instances.set(parsed.value.id, parsed.value);
    else rejections.push({ entry: nameOf(item, path), reason: duplicate(parsed.value.id, path) });
  }
  return { instances: [...instances.values()], rejected: rejections };
}

function parseEntry(service: string, item: unknown, path: string): Result<Instance, string> {
  const fields = typeof item === 'string' ? parseHostPort(item) : item;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return rejected(`expected host:port or an object with both, got ${describe(item)}, at ${path}`);
  }
  const { id, host, port, ...rest } = fields as Record<string, unknown>;
  const parsed = parseInstance({
    service,
    id: id ?? `${host}:${port}`,
    host,
    port,
    weight: rest.weight,
    status: rest.status,
    note: rest.note,
    zone: rest.zone,
    version: rest.version,
    tags: rest.tags,
    metadata: rest.metadata,
  });
  if (parsed.ok) return valid(parsed.value);
  const problems = parsed.error.map((problem) => ({ ...problem, path: `${path}.${problem.path}` }));
  return rejected(problems.map(formatProblem).join('; '));
}

function duplicate(id: string, path: string): string {
  return `expected an id that no other entry has, got ${describe(id)}, at ${path}.id`;
}

function nameOf(item: unknown, path: string): string {
  return idOf(item)?.slice(0, 512) ?? path;
}

/** The id that is written there, or that its address gives it. */
function idOf(item: unknown): string | undefined {
  const { id, host, port } = fieldsOf(item);
  if (typeof id === 'string') return id;
  return id === undefined && typeof host === 'string' ? `${host}:${port}` : undefined;
}
