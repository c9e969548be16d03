/**
 * Whether a request that failed may go to another endpoint. Pure, because a wrong yes charges a customer twice: what was never
 * sent may always go again, what may have been carried out only if that does no harm twice and all of it can be sent again.
 */
import type { Dispatcher } from 'undici';
import { describe, reject } from '../../runtime/expected.js';
import { MOST_RETRIES } from '../call/options.js';
import type { RetryBudget } from '../call/retry-budget.js';
import type { FailureKind } from '../policy.js';

type Request = Dispatcher.DispatchOptions;

export interface DispatchRetryOptions {
  /** How many more requests after the first one failed, each to an endpoint that has not had it. 0 to 10, default 2. */
  readonly retries?: number;
  /**
   * True for a request that may be carried out twice without harm. Default: what the request's own option `idempotent` says,
   * or else true for GET, HEAD, OPTIONS and TRACE.
   */
  readonly isIdempotent?: (request: Request) => boolean;
  /** Default: the one that all calls of the service share, 20 % and 10 a second. */
  readonly budget?: RetryBudget;
}

/** The options with their defaults; `budget` undefined for that of the service. */
export interface RetryPlan {
  readonly retries: number;
  readonly isIdempotent: (request: Request) => boolean;
  readonly budget: RetryBudget | undefined;
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** @returns Undefined where nothing is sent again. Throws BAD_INPUT for a number of retries out of range. */
export function retryPlan(options: DispatchRetryOptions | false = {}): RetryPlan | undefined {
  if (options === false) return undefined;
  const { retries = 2, isIdempotent = isSafe, budget } = options;
  if (!Number.isInteger(retries) || retries < 0 || retries > MOST_RETRIES) {
    reject('retry.retries', `a whole number from 0 to ${MOST_RETRIES}`, describe(retries));
  }
  return retries === 0 ? undefined : { retries, isIdempotent, budget };
}

/** @param failure Undefined where the end says nothing about the endpoint: another one would fare no better. */
export function maySendAgain(
  request: Request,
  failure: FailureKind | undefined,
  { isIdempotent }: RetryPlan,
): boolean {
  if (failure === 'connect') return true;
  return failure !== undefined && !request.upgrade && isRepeatable(request.body) && isIdempotent(request);
}

function isSafe({ idempotent, method }: Request & { readonly idempotent?: boolean | null }): boolean {
  return idempotent ?? SAFE_METHODS.has(method);
}

/** False for streams and generators, which are read once. */
function isRepeatable(body: unknown): boolean {
  return body == null || typeof body === 'string' || ArrayBuffer.isView(body);
}
