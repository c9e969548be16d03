/**
 * The contract between a probe and whoever asks it. A probe only says what it saw this once; how many times
 * in a row it must see it is decided elsewhere (`health.ts`), and so is when to ask (`prober.ts`).
 */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { printable } from '../../runtime/printable.js';
import type { ProbeConfig } from '../config/config.js';
import type { Hold } from './hold.js';
import { type Verdict, verdictOf } from './verdict.js';

export interface CheckResult extends Verdict {
  /** For people: one printable line of at most `MAX_REASON_LENGTH` characters. */
  readonly reason: string;
  /** How long the check took; 0 for a probe that waits to be told. */
  readonly durationMs: number;
}

export const MAX_REASON_LENGTH = 240;

export interface Probe {
  /** Unique within its service. */
  readonly name: string;
  readonly type: ProbeConfig['type'];
  /**
   * `interval`: to be asked on a schedule. `event`: a check lasts until there is something to say, and the
   * next one is to be asked for at once.
   */
  readonly pace: 'interval' | 'event';
  /** How long the service may take to answer or to report, in milliseconds. No scheduled check is longer. */
  readonly deadlineMs: number;
  /** Tells between two checks that it is time for one. Undefined where nothing is held. */
  readonly hold?: Hold | undefined;
  /** The content, as a digest, of the file of certificate authorities that it trusts; undefined without one. */
  readonly authorities?: string | undefined;
  /**
   * Checks once. Never rejects: whatever goes wrong is in the result. When `signal` aborts it ends at once,
   * holds no socket any more, and its result means nothing. Never called while a check of it still runs.
   */
  check(signal: AbortSignal): Promise<CheckResult>;
}

/**
 * Runs `attempt` under one total deadline; an error becomes a verdict. `what` names the attempt in the
 * timeout's reason.
 */
export async function checkWithin(
  clock: Clock,
  deadlineMs: number,
  what: string,
  signal: AbortSignal,
  attempt: (signal: AbortSignal) => Promise<Verdict>,
): Promise<CheckResult> {
  const startedAt = clock.now();
  const verdict = await withDeadline(clock, deadlineMs, what, signal, attempt).catch(verdictOf);
  return resultOf(verdict, clock.now() - startedAt);
}

export function resultOf(verdict: Verdict, durationMs: number): CheckResult {
  // Escapes are longer than what they stand for, so the line is cut once more.
  const line = printable(verdict.reason, MAX_REASON_LENGTH);
  return { ...verdict, reason: printable(line, MAX_REASON_LENGTH - 1), durationMs };
}
