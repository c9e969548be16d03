/**
 * A refused connection on this host is an answer of the kernel: at this moment nobody listens. Twice, a few
 * milliseconds apart, it is no listener that was just being replaced, and nothing a third look could change.
 */
import { type Clock, sleep } from '../../runtime/clock.js';
import type { Dial } from './dial.js';
import { codeOf, NobodyListensError, type Verdict, verdictOf } from './verdict.js';

/** From the first refusal to the second look. */
export const CONFIRM_AFTER_MS = 5;

/** A port that closes resets those who wait to be accepted, and refuses from then on. */
const CALLS_FOR_A_SECOND_LOOK: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET'];

type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** Rejects with a `NobodyListensError` when `address` refuses twice, or once after it reset a connection being made. */
export function confirmed<T>(attempt: Attempt<T>, address: string, clock: Clock): Attempt<T> {
  return async (signal) => {
    try {
      return await attempt(signal);
    } catch (error) {
      if (!isEach(CALLS_FOR_A_SECOND_LOOK, error)) throw error;
    }
    await sleep(clock, CONFIRM_AFTER_MS, signal);
    return attempt(signal).catch((error: unknown) => {
      throw isEach(['ECONNREFUSED'], error) ? new NobodyListensError(address) : error;
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

/** Of several addresses, all must have one of these codes. */
function isEach(codes: readonly unknown[], error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every((each) => isEach(codes, each));
  return codes.includes(codeOf(error));
}
