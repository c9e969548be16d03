/**
 * What a service sends to say how it is: `{"status": "pass" | "warn" | "fail", "note": "...", "inFlight": 3}`, or no body
 * at all, which means pass. The note and the number of requests it is working on are optional.
 */
import { describe, type Problem } from '../runtime/expected.js';
import { type Result, rejected, valid } from '../runtime/result.js';
import { jsonBody, wrongMembers } from './admin-body.js';
import type { AdminReply, AdminRequest } from './admin-route.js';
import { BEAT_STATUSES, type BeatStatus } from './probes/ttl.js';

export interface Heartbeat {
  readonly status: BeatStatus;
  /** Empty when none was given. */
  readonly note: string;
  /** Undefined when it was not said. */
  readonly inFlight: number | undefined;
}

/** The heartbeat, or the reply that says what is wrong with it. Members that it does not know are passed over. */
export function parseHeartbeat(request: Pick<AdminRequest, 'body'>): Result<Heartbeat, AdminReply> {
  if (request.body.length === 0) return valid({ status: 'pass', note: '', inFlight: undefined });
  const object = jsonBody(request);
  if (!object.ok) return object;
  const { status, note = '', inFlight } = object.value;
  const found = [
    ...(isBeatStatus(status) ? [] : [wrong('status', `one of: ${BEAT_STATUSES.join(', ')}`, status)]),
    ...(typeof note === 'string' ? [] : [wrong('note', 'text', note)]),
    ...(isInFlight(inFlight) ? [] : [wrong('inFlight', 'a whole number from 0', inFlight)]),
  ];
  if (found.length > 0) return rejected(wrongMembers(found));
  return valid({ status, note, inFlight } as Heartbeat);
}

function isBeatStatus(value: unknown): value is BeatStatus {
  return (BEAT_STATUSES as readonly unknown[]).includes(value);
}

function isInFlight(value: unknown): value is number | undefined {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function wrong(path: string, expected: string, got: unknown): Problem {
  return { path, expected, got: describe(got) };
}
