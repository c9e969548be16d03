/**
 * A refused connection on this host is an answer of the kernel: at this moment nobody listens. Twice, a few
 * milliseconds apart, it is no listener that was just being replaced, and nothing a third look could change.
 */
import { type Clock, sleep } from '../../runtime/clock.js';
import type { Dial } from './dial.js';
import { codeOf, NobodyListensError, type Verdict, verdictOf } from './verdict.js';

/** From the first refusal to the second look. */
export const CONFIRM_AFTER_MS = 5;

type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** Rejects with a `NobodyListensError` when `address` refuses twice. */
export function confirmed<T>(attempt: Attempt<T>, address: string, clock: Clock): Attempt<T> {
  return async (signal) => {
    try {
      return await attempt(signal);
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
    await sleep(clock, CONFIRM_AFTER_MS, signal);
    return attempt(signal).catch((error: unknown) => {
      throw isRefused(error) ? new NobodyListensError(address) : error;
    });
  };
}

/**
 * The same for an answer that was cut off, which may be the last thing of a dying process: a second look tells
 * whether anybody listens still. Any other verdict is left as it is.
 */
export async function confirmedCutOff(
  verdict: Verdict,
  dial: Dial,
  clock: Clock,
  signal: AbortSignal,
): Promise<Verdict> {
  if (verdict.failure !== 'cut-off') return verdict;
  await sleep(clock, CONFIRM_AFTER_MS, signal);
  const second = await dial(signal).then((socket) => socket.resetAndDestroy(), verdictOf);
  return 'failure' in second && second.failure === 'nobody-listens' ? second : verdict;
}

/** Of several addresses, all must refuse. */
function isRefused(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRefused);
  return codeOf(error) === 'ECONNREFUSED';
}
