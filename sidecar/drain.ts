/**
 * How an instance leaves without a request being lost, whoever asks for it: a signal, an operator, a reload. First the
 * registries say that it drains, so that callers who watch look elsewhere while their requests in flight go on; then the
 * entry goes, which the others notice as well; then the work that is left gets its time. One cap over all of it.
 */
import { abortable, withDeadline } from '../runtime/abort.js';
import { type Clock, sleep } from '../runtime/clock.js';

/**
 * - `marking`: the registries are told that it drains.
 * - `propagating`: callers are given the time to hear of it.
 * - `deregistering`: the entry is removed, and read back as gone.
 * - `finishing`: requests in flight get their time.
 * - `drained`: over, or the cap is reached.
 */
export type DrainPhase = 'marking' | 'propagating' | 'deregistering' | 'finishing' | 'drained';

export interface DrainSettings {
  /** From the mark to the removal: as long as the slowest caller's watch takes. */
  readonly propagationMs: number;
  /** From the removal to the end where nobody says what is in flight: as long as the longest request takes. */
  readonly waitMs: number;
  /** The cap over everything. */
  readonly timeoutMs: number;
}

/** What drains. */
export interface DrainSubject {
  /** Whether callers may know it: false skips every wait. */
  readonly isListed: () => boolean;
  /** Whether it works at all: a service that is dead finishes nothing. */
  readonly works: () => boolean;
  /** Resolves when every registry that holds the entry has marked it. May go on for as long as a registry is away. */
  readonly mark: (signal: AbortSignal) => Promise<void>;
  /** Resolves when every registry has confirmed that the entry is gone; rejects when the signal aborts. */
  readonly withdraw: (signal: AbortSignal) => Promise<void>;
  /** Requests in flight; undefined when nobody can tell. That there are none must have been said after `since`. */
  readonly inFlight: (signal: AbortSignal, since: number) => Promise<number | undefined>;
}

export interface DrainOptions {
  readonly settings: DrainSettings;
  readonly clock: Clock;
  /** Gives the drain up. */
  readonly signal: AbortSignal;
  readonly onPhase: (phase: DrainPhase) => void;
}

/** A registry that is away must not keep the others from going on. */
const MARK_LIMIT_MS = 1_000;

/** How often the requests in flight are asked for. */
const POLL_MS = 100;

/**
 * Resolves when it is over: with true, or with false when the cap was reached before everything had its end. Rejects
 * with the signal's reason, as soon as it aborts.
 */
export async function drain(subject: DrainSubject, options: DrainOptions): Promise<boolean> {
  const { clock, settings, signal, onPhase } = options;
  try {
    await withDeadline(clock, settings.timeoutMs, 'the drain', signal, (capped) =>
      leave(subject, capped, options),
    );
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  } finally {
    if (!signal.aborted) onPhase('drained');
  }
}

async function leave(
  subject: DrainSubject,
  signal: AbortSignal,
  { clock, settings, onPhase }: DrainOptions,
): Promise<void> {
  const wasListed = subject.isListed();
  const isMarked = wasListed && (await marked(subject, signal, clock, onPhase));
  if (isMarked) {
    onPhase('propagating');
    await sleep(clock, settings.propagationMs, signal);
  }
  onPhase('deregistering');
  const withdrawn = subject.withdraw(signal).then(() => onPhase('finishing'));
  // What is in flight ends whether or not the registry answers: neither waits for the other.
  const finished = wasListed ? finish(subject, signal, clock, settings.waitMs, isMarked) : undefined;
  await Promise.all([withdrawn, finished]);
}

/** False when a registry did not take it in time: then some callers know of nothing. */
async function marked(
  subject: DrainSubject,
  signal: AbortSignal,
  clock: Clock,
  onPhase: DrainOptions['onPhase'],
): Promise<boolean> {
  onPhase('marking');
  try {
    await withDeadline(clock, MARK_LIMIT_MS, 'marking', signal, subject.mark);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/**
 * Until nothing is in flight, where somebody tells; otherwise for `waitMs`, as well as where callers may not know yet
 * that they should stay away.
 */
async function finish(
  subject: DrainSubject,
  signal: AbortSignal,
  clock: Clock,
  waitMs: number,
  callersKnow: boolean,
): Promise<void> {
  const begunAt = clock.now();
  const endsAt = begunAt + waitMs;
  while (subject.works()) {
    const inFlight = await abortable(subject.inFlight(signal, begunAt), signal);
    const isOver = clock.now() >= endsAt;
    if (inFlight === 0 && (callersKnow || isOver)) return;
    if (inFlight === undefined && isOver) return;
    await sleep(clock, POLL_MS, signal);
  }
}
