/**
 * What a snapshot file holds: one line that names the format, a checksum and a length, then the list as JSON. Who reads
 * it gets the whole list or none: a file that was cut, changed, or written for another service is refused.
 */
import { createHash } from 'node:crypto';
import type { Instance } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { describe, formatProblem } from '../../runtime/expected.js';
import { type Result, rejected, valid } from '../../runtime/result.js';

/** Larger files are neither written nor read: more than ten thousand instances of ordinary size. */
export const MAX_SNAPSHOT_BYTES = 16 * 1024 * 1024;
export const MAX_SNAPSHOT_INSTANCES = 10_000;

const FORMAT = 'pilotfish-snapshot/1';
/** Clocks of one host agree better than this; what is further ahead was written by a clock that was wrong. */
const CLOCK_TOLERANCE_MS = 60_000;

/** Whose list it is. */
export interface SnapshotOwner {
  readonly service: string;
  /** The registries' URLs and what they are together; lists of other registries are other lists. */
  readonly source: readonly string[];
}

export interface SavedList {
  readonly instances: readonly Instance[];
  /** When a registry last confirmed the list, in ms since the epoch. */
  readonly savedAt: number;
}

export function encodeSavedList(
  { service, source }: SnapshotOwner,
  { instances, savedAt }: SavedList,
): Buffer {
  const entries = instances.map(({ service: _, endpoint, ...rest }) => ({ ...rest, ...endpoint }));
  const body = Buffer.from(JSON.stringify({ service, source, savedAt, instances: entries }));
  return Buffer.concat([Buffer.from(headerOf(body)), body]);
}

/** The list in `data`, or the one reason why it cannot be used. Never throws. */
export function decodeSavedList(data: Buffer, owner: SnapshotOwner): Result<SavedList, string> {
  const body = data.subarray(data.indexOf('\n') + 1);
  if (data.toString('latin1', 0, data.length - body.length) !== headerOf(body)) {
    return rejected(`expected ${FORMAT} with the checksum of what follows, got other bytes, at line 1`);
  }
  const { service, source, savedAt, instances } = parseObject(body.toString('utf8'));
  const name = `${owner.service} of ${owner.source.join()}`;
  if (service !== owner.service || String(source) !== owner.source.join()) {
    return rejected(`expected the list of ${name}, got another, at service`);
  }
  if (typeof savedAt !== 'number') return rejected(`expected a time, got ${describe(savedAt)}, at savedAt`);
  if (!Array.isArray(instances) || instances.length > MAX_SNAPSHOT_INSTANCES) {
    return rejected(
      `expected a list of at most ${MAX_SNAPSHOT_INSTANCES}, got ${describe(instances)}, at instances`,
    );
  }
  return parseAll(instances, owner.service, savedAt);
}

/** How old a list is, or the reason why it is too old or cannot be judged. */
export function ageOf({ savedAt }: SavedList, wallNowMs: number, maxAgeMs: number): Result<number, string> {
  const ageMs = wallNowMs - savedAt;
  if (ageMs < -CLOCK_TOLERANCE_MS)
    return rejected('expected a time in the past, got one in the future, at savedAt');
  if (ageMs > maxAgeMs)
    return rejected(`expected an age of at most ${maxAgeMs} ms, got ${ageMs} ms, at savedAt`);
  return valid(Math.max(0, ageMs));
}

function parseAll(entries: readonly unknown[], service: string, savedAt: number): Result<SavedList, string> {
  const instances: Instance[] = [];
  for (const [at, entry] of entries.entries()) {
    const fields = typeof entry === 'object' && entry !== null ? entry : {};
    const parsed = parseInstance({ id: undefined, host: undefined, port: undefined, ...fields, service });
    if (!parsed.ok) return rejected(`${parsed.error.map(formatProblem).join('; ')} of instances[${at}]`);
    instances.push(parsed.value);
  }
  return valid({ instances, savedAt });
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
}

function headerOf(body: Buffer): string {
  return `${FORMAT} sha256=${createHash('sha256').update(body).digest('hex')} bytes=${body.length}\n`;
}
