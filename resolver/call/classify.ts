/**
 * What a thrown error says about a request: was it sent, is the endpoint to blame, may it be sent again. A pure
 * function of the codes that Node's sockets and undici use; whatever it does not know may have been carried out.
 */
import { isPilotfishError } from '../../runtime/errors.js';
import { failureOf, isFailureStatus, isOwnFault } from '../http/failure.js';
import type { FailureKind } from '../policy.js';

/**
 * - a `FailureKind`: the endpoint failed. Only `connect` proves that the request was never sent.
 * - `answer`: the endpoint answered, and refused: 404 is no sign of bad health.
 * - `local`: this process could not send it, such as for want of file descriptors. Says nothing about the endpoint.
 */
export type FailureVerdict = FailureKind | 'answer' | 'local';

/** Nobody accepted the connection, or it was given up before TLS and therefore before the request. */
const NEVER_SENT = new Set<unknown>([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_NODATA',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_TLS_HANDSHAKE_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Beside those that the dispatcher knows. */
const RESETS = new Set<unknown>([
  'ENETRESET',
  'EHOSTDOWN',
  'ENETDOWN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_GOAWAY_SESSION',
]);

/** System calls before the first byte of a request. */
const BEFORE_SENDING = new Set<unknown>(['connect', 'getaddrinfo']);

/** An error, the one that caused it, and so on: fetch hides the reason in the cause. No real chain is longer. */
const DEEPEST_CAUSE = 5;

interface Clues {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly statusCode?: unknown;
  readonly status?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

/** Undefined when the error says nothing of this kind: an exception of the program, or one of a library. */
export function classifyFailure(error: unknown): FailureVerdict | undefined {
  let clues = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && isObject(clues); depth++) {
    const verdict = verdictOf(clues);
    if (verdict !== undefined) return verdict;
    clues = clues.cause;
  }
  return undefined;
}

function verdictOf(clues: Clues): FailureVerdict | undefined {
  return hasAttempts(clues) ? byAttempts(clues.errors) : (byCode(clues) ?? byStatus(clues));
}

/** Node tries every address of a name and throws what happened to all: never sent only if that holds for each. */
function byAttempts(errors: readonly unknown[]): FailureVerdict | undefined {
  const others = errors.map(classifyFailure).filter((verdict) => verdict !== 'connect');
  return others.length === 0 ? 'connect' : others.find((verdict) => verdict !== undefined);
}

function hasAttempts(clues: Clues): clues is Clues & { readonly errors: readonly unknown[] } {
  return Array.isArray(clues.errors) && clues.errors.length > 0;
}

function byCode(clues: Clues): FailureVerdict | undefined {
  const { code, syscall } = clues;
  if (isOwnFault(clues)) return 'local';
  if (NEVER_SENT.has(code) || BEFORE_SENDING.has(syscall)) return 'connect';
  if (RESETS.has(code)) return 'reset';
  return isPilotfishError(clues, 'TIMEOUT') ? 'timeout' : failureOf(clues);
}

function byStatus(clues: Clues): FailureVerdict | undefined {
  const status = statusOf(clues);
  if (status === undefined) return undefined;
  return isFailureStatus(status) ? 'status' : 'answer';
}

/** The HTTP status that an error was made for. */
export function statusOf(error: unknown): number | undefined {
  if (!isObject(error)) return undefined;
  const status = error.statusCode ?? error.status;
  return typeof status === 'number' && status >= 100 && status <= 599 ? status : undefined;
}

function isObject(value: unknown): value is Clues {
  return typeof value === 'object' && value !== null;
}
