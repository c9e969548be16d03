/**
 * What a service sends to say how it is: `{"status": "pass" | "warn" | "fail", "note": "..."}` as
 * `application/json`, or no body at all, which means pass. The note is optional.
 */
import { describe } from '../runtime/expected.js';
import { type Result, rejected, valid } from '../runtime/result.js';
import { type AdminReply, problem } from './admin.js';
import { BEAT_STATUSES, type BeatStatus } from './probes/ttl.js';

export interface Heartbeat {
  readonly status: BeatStatus;
  /** Empty when none was given. */
  readonly note: string;
}

const JSON_TYPE = /^application\/json\s*(;|$)/i;

/** The heartbeat, or the reply that says what is wrong with it. */
export function parseHeartbeat(contentType: string | undefined, body: Buffer): Result<Heartbeat, AdminReply> {
  if (body.length === 0) return valid({ status: 'pass', note: '' });
  if (!JSON_TYPE.test(contentType ?? '')) {
    return rejected(problem(415, `expected application/json, got ${describe(contentType)}, at content-type`));
  }
  const object = parseObject(body.toString('utf8'));
  if (object === undefined) return rejected(problem(400, 'expected a JSON object, at body'));
  const { status, note = '' } = object;
  if (!isBeatStatus(status)) {
    return rejected(
      problem(400, `expected one of: ${BEAT_STATUSES.join(', ')}, got ${describe(status)}, at status`),
    );
  }
  if (typeof note !== 'string')
    return rejected(problem(400, `expected text, got ${describe(note)}, at note`));
  return valid({ status, note });
}

function isBeatStatus(value: unknown): value is BeatStatus {
  return (BEAT_STATUSES as readonly unknown[]).includes(value);
}

function parseObject(text: string): { readonly status?: unknown; readonly note?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
