/**
 * A request that is made until it succeeds or may not be made again: to another endpoint each time, only where that is safe,
 * within the caller's deadline and the service's budget. p-retry runs the retries and is loaded with the first of them; which
 * errors, when and whether at all is decided here, with full jitter between the attempts, under the clock of the resolver.
 */
import { abortable, linkedAbort, withDeadline } from '../../runtime/abort.js';
import { type BackoffLimits, backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import type { Pick } from '../policy.js';
import { AttemptFailure, attempt, begin, type Request, type Running } from './attempt.js';
import { hedged } from './hedged.js';
import { type CallOptions, checkOptions, type Work } from './options.js';
import type { RetryBudget } from './retry-budget.js';
import { isRetryable } from './safety.js';
import { Selection } from './selection.js';
import type { ServiceCalls } from './service-calls.js';
import type { CallTarget } from './target.js';

const DEFAULT_RETRIES = 2;

/** Short, because the next attempt goes elsewhere; long enough that not all callers come back at once. */
const BACKOFF: BackoffLimits = { baseMs: 25, capMs: 250 };

/**
 * Rejects with what the last attempt threw; with TIMEOUT at the deadline, OVERLOADED when every endpoint has as much as
 * it may, BAD_INPUT for options that make no sense, the signal's reason when that aborts, and as `pick` throws.
 */
export async function call<T>(
  target: CallTarget,
  work: Work<T>,
  options: CallOptions,
  calls: ServiceCalls,
): Promise<T> {
  checkOptions(options);
  const { deadlineMs, signal } = options;
  signal?.throwIfAborted();
  calls.counters.calls++;
  const run = (own: AbortSignal): Promise<T> => new Call(target, work, options, calls, own).run();
  if (deadlineMs === undefined) return untilAborted(signal, run);
  return withDeadline(calls.clock, deadlineMs, `the call of ${target.service}`, signal, run);
}

async function untilAborted<T>(
  signal: AbortSignal | undefined,
  run: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkedAbort(signal);
  return abortable(run(link.signal), link.signal).finally(link.release);
}

class Call<T> {
  readonly #work: Work<T>;
  readonly #options: CallOptions;
  readonly #calls: ServiceCalls;
  readonly #signal: AbortSignal;
  readonly #selection: Selection;
  readonly #budget: RetryBudget;
  readonly #endsMs: number;
  #attempts = 0;
  #waitMs = 0;

  constructor(
    target: CallTarget,
    work: Work<T>,
    options: CallOptions,
    calls: ServiceCalls,
    signal: AbortSignal,
  ) {
    this.#work = work;
    this.#options = options;
    this.#calls = calls;
    this.#signal = signal;
    this.#selection = new Selection(target, options, calls);
    this.#budget = options.budget ?? calls.budget;
    this.#endsMs = calls.clock.now() + (options.deadlineMs ?? Number.POSITIVE_INFINITY);
  }

  async run(): Promise<T> {
    this.#budget.deposit(this.#calls.clock.now());
    try {
      return await this.#round().catch((failure) => this.#retry(failure));
    } catch (error) {
      throw error instanceof AttemptFailure ? error.error : error;
    }
  }

  async #retry(failure: unknown): Promise<T> {
    const { retries = DEFAULT_RETRIES } = this.#options;
    if (retries === 0 || !this.#prepareRetry(failure, 0)) throw failure;
    const { default: pRetry } = await import('p-retry');
    return pRetry(() => this.#nextRound(), {
      retries: retries - 1,
      minTimeout: 0,
      shouldRetry: ({ error, attemptNumber }) => this.#prepareRetry(error, attemptNumber),
    });
  }

  async #nextRound(): Promise<T> {
    await sleep(this.#calls.clock, this.#waitMs, this.#signal);
    this.#calls.counters.retries++;
    return this.#round();
  }

  /** One request, and perhaps one more before it has answered. */
  async #round(): Promise<T> {
    const request = this.#requestTo(this.#selection.choose());
    const afterMs = this.#hedgeAfterMs();
    if (afterMs === undefined) return attempt(request, this.#calls);
    const first = begin(request, this.#calls);
    const { answer, isHedge } = await hedged(first, () => this.#beginHedge(), afterMs, this.#calls.clock);
    if (isHedge) this.#calls.counters.hedgeWins++;
    return answer;
  }

  /** True when a retry may follow; it is then paid for. A wait that would outlast the deadline is not begun. */
  #prepareRetry(failure: unknown, retriesBefore: number): boolean {
    if (!(failure instanceof AttemptFailure) || !isRetryable(failure, this.#options)) return false;
    this.#waitMs = backoffMs(retriesBefore, BACKOFF, this.#calls.random);
    return this.#calls.clock.now() + this.#waitMs < this.#endsMs && this.#withdraw();
  }

  #withdraw(): boolean {
    const allowed = this.#budget.withdraw(this.#calls.clock.now());
    if (!allowed) this.#calls.counters.budgetRefusals++;
    return allowed;
  }

  #requestTo(pick: Pick): Request<T> {
    this.#selection.tried(pick);
    const attempt = ++this.#attempts;
    return { pick, work: this.#work, attempt, options: this.#options, signal: this.#signal };
  }

  #hedgeAfterMs(): number | undefined {
    const afterMs = this.#options.hedge?.afterMs;
    return afterMs === 'p95' ? this.#calls.latencies.p95 : afterMs;
  }

  /** A second request to an endpoint that is slow already would help nobody: it goes to another one or nowhere. */
  #beginHedge(): Running<T> | undefined {
    if (this.#signal.aborted) return undefined;
    const pick = this.#selection.other();
    if (pick === undefined) return undefined;
    if (!this.#withdraw()) {
      pick.done('cancelled');
      return undefined;
    }
    this.#calls.counters.hedges++;
    return begin(this.#requestTo(pick), this.#calls);
  }
}
