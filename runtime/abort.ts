/**
 * Deadlines and cancellation. `AbortSignal.any` and `AbortSignal.timeout` read the system clock and keep listeners
 * alive, so signals are linked by hand, and whoever links one releases it.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.js';
import { PilotfishError } from './errors.js';

export interface LinkedAbort {
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** Ends the deadline and lets go of the parent. To be called when the work has ended. */
  readonly release: () => void;
}

/** A signal that aborts with its parent, or by hand. */
export function linkedAbort(parent?: AbortSignal): LinkedAbort {
  const controller = new AbortController();
  // Many may wait for one signal: that is what it is for, and no leak.
  setMaxListeners(0, controller.signal);
  const abort = (reason: unknown): void => controller.abort(reason);
  const onParent = (): void => abort(parent?.reason);
  if (parent?.aborted) onParent();
  else parent?.addEventListener('abort', onParent, { once: true });
  return { signal: controller.signal, abort, release: () => parent?.removeEventListener('abort', onParent) };
}

/** By less than this every timer may be late. */
const STOOD_STILL_MS = 50;

/** Calls `onOver` after `ms`. Where this process stood still until after it, what has arrived meanwhile is looked at first. */
function atDeadline(clock: Clock, ms: number, onOver: () => void): () => void {
  const dueAt = clock.now() + ms;
  let cancel = clock.after(ms, () => {
    if (clock.now() - dueAt < STOOD_STILL_MS) onOver();
    else cancel = clock.after(0, onOver);
  });
  return () => cancel();
}

/**
 * Runs `work` with a signal that aborts after `ms`, and rejects at that moment even when `work` ignores the signal; what
 * came while this process stood still over that moment is in time. The error has the code TIMEOUT and names `what`.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkedAbort(parent);
  const cancel = atDeadline(clock, ms, () =>
    link.abort(new PilotfishError('TIMEOUT', `${what} took longer than ${ms} ms`)),
  );
  try {
    return await abortable(work(link.signal), link.signal);
  } finally {
    cancel();
    link.release();
  }
}

/** The promise, or a rejection with the signal's reason as soon as it aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
