/**
 * Whether a command that ended by itself is started again, and how soon. Each quick end in a row may double the wait,
 * with the jitter of `runtime/backoff.ts`, as a fleet may crash on the same message; a run that lasted forgets them.
 */
import { backoffMs } from '../../runtime/backoff.js';
import type { Random } from '../../runtime/random.js';
import { type Ending, exitCodeOf } from './ending.js';

export const RESTART_POLICIES = ['never', 'on-failure', 'always'] as const;
export type RestartPolicy = (typeof RESTART_POLICIES)[number];

/** No wait is shorter, so that a crash loop leaves the machine some air. */
const SHORTEST_WAIT_MS = 100;
const BACKOFF = { baseMs: 500, capMs: 30_000 };

/** A command that ran this long did start; its end is no crash loop. */
export const LASTING_RUN_MS = 60_000;

export function restartsAfter(policy: RestartPolicy, ending: Ending): boolean {
  if (policy === 'on-failure') return exitCodeOf(ending) !== 0;
  return policy === 'always';
}

/** Ends in a row, the one of a run that took `ranMs` included; a lasting run makes it the first. */
export function endsInARow(before: number, ranMs: number): number {
  return ranMs >= LASTING_RUN_MS ? 1 : before + 1;
}

/** From 100 ms to 30.1 s; `ends` is at least 1. */
export function restartWaitMs(ends: number, random: Random): number {
  return SHORTEST_WAIT_MS + backoffMs(ends - 1, BACKOFF, random);
}
