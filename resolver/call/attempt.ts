/** One request to one endpoint: runs the work, and ends its pick exactly once with what became of it. */
import { abortable, linkedAbort, withDeadline } from '../../runtime/abort.js';
import { isPilotfishError, messageOf } from '../../runtime/errors.js';
import type { Outcome, OutcomeDetails, Pick } from '../policy.js';
import { classifyFailure, type FailureVerdict, statusOf } from './classify.js';
import type { CallOptions, Work } from './options.js';
import type { ServiceCalls } from './service-calls.js';

/** A request under way. */
export interface Running<T> {
  /** Rejects with an `AttemptFailure`. */
  readonly result: Promise<T>;
  /** Aborts it unless it has ended. What it answered is left alone: its body may still be read. */
  readonly cancel: () => void;
}

/** Wraps whatever was thrown, so that it comes out again as it was, and says what it means. */
export class AttemptFailure extends Error {
  readonly error: unknown;
  readonly verdict: FailureVerdict | undefined;

  constructor(error: unknown, verdict: FailureVerdict | undefined) {
    super(messageOf(error));
    this.error = error;
    this.verdict = verdict;
  }
}

export interface Request<T> {
  readonly pick: Pick;
  readonly work: Work<T>;
  readonly attempt: number;
  readonly options: CallOptions;
  readonly signal: AbortSignal;
}

/** The same with an end of its own, for one of two. */
export function begin<T>(request: Request<T>, calls: ServiceCalls): Running<T> {
  const link = linkedAbort(request.signal);
  let ended = false;
  const result = attempt({ ...request, signal: link.signal }, calls).finally(() => {
    ended = true;
    link.release();
  });
  return { result, cancel: () => ended || link.abort(new DOMException('another request won', 'AbortError')) };
}

/** Rejects with an `AttemptFailure`. */
export async function attempt<T>(request: Request<T>, calls: ServiceCalls): Promise<T> {
  const startedMs = calls.clock.now();
  const leave = calls.inFlight.begin(request.pick.instance.id);
  calls.counters.attempts++;
  const tookMs = (): number => calls.clock.now() - startedMs;
  try {
    const answer = await send(request, calls).finally(leave);
    calls.latencies.add(tookMs());
    request.pick.done('ok', { latencyMs: tookMs() });
    return answer;
  } catch (error) {
    throw failed(request, error, tookMs());
  }
}

/** Ends the pick, also where the caller's `classify` throws: that is then what the call rejects with. */
function failed<T>({ pick, options, signal }: Request<T>, error: unknown, latencyMs: number): unknown {
  try {
    const verdict = signal.aborted
      ? whenAborted(signal.reason, latencyMs, options.deadlineMs)
      : (options.classify?.(error) ?? classifyFailure(error));
    pick.done(...ending(verdict, error, latencyMs));
    return new AttemptFailure(error, verdict);
  } catch (unexpected) {
    pick.done('error', { latencyMs });
    return unexpected;
  }
}

function send<T>({ pick, work, attempt, options, signal }: Request<T>, calls: ServiceCalls) {
  const { attemptTimeoutMs } = options;
  const start = async (own: AbortSignal): Promise<T> => work(pick, { signal: own, attempt });
  if (attemptTimeoutMs === undefined) return abortable(start(signal), signal);
  const what = `the request to ${pick.endpoint.host}:${pick.endpoint.port}`;
  return withDeadline(calls.clock, attemptTimeoutMs, what, signal, start);
}

/**
 * The endpoint is to blame for a missed deadline only when it had half of it or more to answer; a late attempt may
 * have got a few milliseconds. Whoever else gives a request up says nothing about the endpoint.
 */
export function whenAborted(
  reason: unknown,
  tookMs: number,
  deadlineMs = Number.POSITIVE_INFINITY,
): FailureVerdict {
  return isPilotfishError(reason, 'TIMEOUT') && tookMs >= deadlineMs / 2 ? 'timeout' : 'local';
}

function ending(
  verdict: FailureVerdict | undefined,
  error: unknown,
  latencyMs: number,
): [Outcome, OutcomeDetails] {
  if (verdict === 'local') return ['cancelled', {}];
  const status = statusOf(error);
  const details = status === undefined ? { latencyMs } : { latencyMs, status };
  if (verdict === undefined) return ['error', details];
  return verdict === 'answer' ? ['ok', details] : ['error', { ...details, failure: verdict }];
}
