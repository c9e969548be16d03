/**
 * A cluster in simulated time: requests arrive by chance (Poisson), each endpoint answers after the latency that it has at that
 * moment, in steps of a millisecond. Deterministic, and 20 seconds of it take a few milliseconds.
 */
import {
  type Outcome,
  type OutcomeDetails,
  type Pick,
  type Picker,
  seededRandom,
} from '../../resolver/index.js';
import { fraction } from '../../runtime/random.js';
import type { HandClock } from './picking.js';

export interface Answer {
  /** Undefined when the endpoint hangs: it never answers. */
  readonly latencyMs: number | undefined;
  readonly outcome?: Outcome;
  readonly details?: OutcomeDetails;
}

export interface Traffic {
  readonly picker: () => Picker;
  readonly clock: HandClock;
  readonly perSecond: number;
  readonly seconds: number;
  /** @param ms Since the start. */
  readonly answer: (id: string, ms: number) => Answer;
}

interface Due {
  readonly pick: Pick;
  readonly outcome: Outcome;
  readonly details: OutcomeDetails | undefined;
}

/** The picks of each second, by endpoint. What is under way at the end is answered then. */
export function simulate({ picker, clock, perSecond, seconds, answer }: Traffic): Record<string, number>[] {
  const due = new Map<number, Due[]>();
  const counts: Record<string, number>[] = [];
  const random = seededRandom(20260101);
  let nextMs = 0;
  for (let ms = 0; ms < seconds * 1000; ms++) {
    if (ms % 1000 === 0) counts.push({});
    for (const { pick, outcome, details } of due.get(ms) ?? []) pick.done(outcome, details);
    due.delete(ms);
    while (nextMs < ms + 1) {
      nextMs += (-Math.log(1 - fraction(random)) * 1000) / perSecond;
      const pick = picker().pick() as Pick;
      const { id } = pick.instance;
      const second = counts.at(-1) as Record<string, number>;
      second[id] = (second[id] ?? 0) + 1;
      const { latencyMs, outcome = 'ok', details } = answer(id, ms);
      if (latencyMs === undefined) continue;
      const at = ms + Math.max(1, Math.round(latencyMs));
      due.set(at, [...(due.get(at) ?? []), { pick, outcome, details }]);
    }
    clock.advance(1);
  }
  for (const { pick, outcome, details } of [...due.values()].flat()) pick.done(outcome, details);
  return counts;
}

/** The share of all picks that one endpoint had from a second on. */
export function shareOf(id: string, counts: readonly Record<string, number>[], fromSecond = 0): number {
  const seconds = counts.slice(fromSecond);
  const all = seconds.flatMap((second) => Object.values(second)).reduce((sum, count) => sum + count, 0);
  return seconds.reduce((sum, second) => sum + (second[id] ?? 0), 0) / all;
}
