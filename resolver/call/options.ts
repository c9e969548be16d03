/** What a caller may say of a call. */
import { BadInputError, describe, type Problem } from '../../runtime/expected.js';
import type { Pick, PickRequest } from '../policy.js';
import type { FailureVerdict } from './classify.js';
import type { RetryBudget } from './retry-budget.js';

/** One request of a call. */
export interface Attempt {
  /** Aborts when the answer is of no use any more: the deadline passed, the caller gave up, or another request won. */
  readonly signal: AbortSignal;
  /** 1 for the first request; retries and hedges count on. */
  readonly attempt: number;
}

/**
 * Sends one request to the endpoint of the pick and resolves with its answer. To have a bad answer tried again, throw; an
 * error with a `status` or `statusCode` is understood. The call ends the pick.
 */
export type Work<T> = (pick: Pick, attempt: Attempt) => Promise<T>;

export interface HedgeOptions {
  /**
   * How long to wait for the answer before the same request goes to a second endpoint, in milliseconds, or `p95`: as
   * long as 95 % of the latest answers took (no hedge before there were 20).
   */
  readonly afterMs: number | 'p95';
}

export interface CallOptions {
  /** All attempts and the waits between them end within it, in milliseconds. Default: no deadline. */
  readonly deadlineMs?: number;
  /** What one attempt may take, in milliseconds. Default: all of the deadline. */
  readonly attemptTimeoutMs?: number;
  /** How many more requests after the first one failed. 0 to 10, default 2. */
  readonly retries?: number;
  /** True when the request may be carried out twice without harm. Default false: only what was never sent is sent again. */
  readonly idempotent?: boolean;
  /**
   * Whether an error may pass elsewhere. Default: what `classifyFailure` calls a failure of the endpoint. Whatever it
   * says, a request that may have been sent is sent again only when it is `idempotent`.
   */
  readonly isRetryable?: (error: unknown) => boolean;
  /** What an error means; undefined leaves that to `classifyFailure`. */
  readonly classify?: (error: unknown) => FailureVerdict | undefined;
  /** Only for `idempotent` work. Default: none. */
  readonly hedge?: HedgeOptions;
  /** Default: one that all calls of the service share, 20 % and 10 a second. */
  readonly budget?: RetryBudget;
  /**
   * How many requests of calls an endpoint may have at a time; further ones go to others, and the call rejects with
   * OVERLOADED when there is none. Nothing waits in a queue. Default: no limit.
   */
  readonly maxPerEndpoint?: number;
  /** For policies that choose by key. */
  readonly key?: PickRequest['key'];
  /** The caller's own; the call then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The most retries of one request: further ones would only be a storm of their own. */
export const MOST_RETRIES = 10;

/** Throws BAD_INPUT that names every option which makes no sense. */
export function checkOptions(options: CallOptions): void {
  const { deadlineMs, attemptTimeoutMs, retries, maxPerEndpoint, hedge, idempotent } = options;
  const afterMs = hedge?.afterMs === 'p95' ? undefined : hedge?.afterMs;
  const problems = [
    atLeast('deadlineMs', deadlineMs, Number.MIN_VALUE, 'a positive number of milliseconds'),
    atLeast('attemptTimeoutMs', attemptTimeoutMs, Number.MIN_VALUE, 'a positive number of milliseconds'),
    wholeFrom('retries', retries, 0, MOST_RETRIES),
    wholeFrom('maxPerEndpoint', maxPerEndpoint, 1, Number.MAX_SAFE_INTEGER),
    atLeast('hedge.afterMs', afterMs, 0, 'a number of milliseconds that is not negative, or "p95"'),
    hedge !== undefined && idempotent !== true
      ? problem('idempotent', 'true, because a hedge carries the request out twice', idempotent)
      : undefined,
  ].filter((each) => each !== undefined);
  if (problems.length > 0) throw new BadInputError(problems);
}

function atLeast(
  path: string,
  value: number | undefined,
  min: number,
  expected: string,
): Problem | undefined {
  return value === undefined || value >= min ? undefined : problem(path, expected, value);
}

function wholeFrom(path: string, value: number | undefined, min: number, max: number): Problem | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return undefined;
  return problem(path, `a whole number from ${min} to ${max}`, value);
}

function problem(path: string, expected: string, got: unknown): Problem {
  return { path, expected, got: describe(got) };
}
