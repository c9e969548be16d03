/**
 * Time as an argument. Everything that waits or measures takes a `Clock`, so that every state machine also runs
 * under a virtual clock. This file is the only place that touches the process's own timers.
 */

export interface Clock {
  /** Monotonic milliseconds with fractions. The zero is arbitrary; it never jumps when the wall clock is set. */
  now(): number;
  /** Milliseconds since the Unix epoch. For logs and payloads only, never for measuring. */
  wallNow(): number;
  /** Calls `callback` once, `ms` milliseconds from now. The returned function cancels it and may be called any time. */
  after(ms: number, callback: () => void): () => void;
}

/** The longest delay a Node timer accepts; anything above would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
