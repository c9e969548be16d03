/**
 * Two requests for one answer: the second is sent when the first has taken long, and whoever answers first wins (Dean
 * and Barroso, "The Tail at Scale", 2013). The loser is aborted.
 */
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import type { Running } from './attempt.js';

/** Undefined when no second request may be sent. */
export type StartSecond<T> = () => Running<T> | undefined;

export interface Winner<T> {
  readonly answer: T;
  readonly isHedge: boolean;
}

/** Rejects with the error of the first when both fail. */
export async function hedged<T>(
  first: Running<T>,
  startSecond: StartSecond<T>,
  afterMs: number,
  clock: Clock,
): Promise<Winner<T>> {
  if (await endsWithin(first, afterMs, clock)) return { answer: await first.result, isHedge: false };
  const second = startSecond();
  if (second === undefined) return { answer: await first.result, isHedge: false };
  try {
    return await Promise.any([won(first, false), won(second, true)]);
  } catch (error) {
    throw (error as AggregateError).errors[0];
  } finally {
    first.cancel();
    second.cancel();
  }
}

async function endsWithin<T>({ result }: Running<T>, ms: number, clock: Clock): Promise<boolean> {
  const first = deferred<boolean>();
  const ended = (): void => first.resolve(true);
  result.then(ended, ended);
  const stop = clock.after(ms, () => first.resolve(false));
  return first.promise.finally(stop);
}

async function won<T>({ result }: Running<T>, isHedge: boolean): Promise<Winner<T>> {
  return { answer: await result, isHedge };
}
