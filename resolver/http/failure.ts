/**
 * What the end of a request says about the endpoint: pure. Whatever cannot be laid at its door says nothing: the caller's
 * abort, the caller's own broken body, a request that was no valid one.
 */
import type { FailureKind } from '../policy.js';

const TIMEOUTS: ReadonlySet<unknown> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
]);

const RESETS: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

const OWN_FAULTS: ReadonlySet<unknown> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
]);

/** True when this process could not send, such as for want of file descriptors or ports. */
export function isOwnFault(error: unknown): boolean {
  return OWN_FAULTS.has(((error ?? {}) as { readonly code?: unknown }).code);
}

/** The kind of an error after the request was sent; undefined when it says nothing about the endpoint. */
export function failureOf(error: unknown): FailureKind | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (isTimeout(error)) return 'timeout';
  if (RESETS.has(code) || String(code).startsWith('HPE_')) return 'reset';
  return undefined;
}

/**
 * True also for the reason of `AbortSignal.timeout()`: a deadline of the caller that the endpoint did not keep. node:http
 * wraps it once.
 */
export function isTimeout(error: unknown): boolean {
  return saysTimeout(error) || saysTimeout((error as { readonly cause?: unknown } | undefined)?.cause);
}

function saysTimeout(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return name === 'TimeoutError' || TIMEOUTS.has(code);
}

/**
 * The answers that say a server is in trouble: 500 to 599 without 501 (Not Implemented), which is about the request, and 429
 * (Too Many Requests).
 */
export function isFailureStatus(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

/** What nobody means to wait for. */
const LONGEST_RETRY_AFTER_MS = 86_400_000;

/** Retry-After (RFC 9110, 10.2.3) in milliseconds, at most a day; undefined when it is neither seconds nor a date. */
export function retryAfterMs(text: string, wallNowMs: number): number | undefined {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallNowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS);
}

/** True for the statuses that Retry-After belongs to here. */
export function mayAskForRest(status: number): boolean {
  return status === 503 || status === 429;
}
