/**
 * One error class with a stable `code`, so that callers decide by code and people read the message. The guard works
 * across two installed copies of the package, where `instanceof` would not.
 */

export type ErrorCode =
  /** Input that can never work: configuration, URL, argument. See `problems`. */
  | 'BAD_INPUT'
  /** The registry cannot be reached or does not answer; trying again later is right. */
  | 'UNAVAILABLE'
  /** The registry refuses us: credentials or ACL. */
  | 'DENIED'
  /** A deadline passed. */
  | 'TIMEOUT'
  /** The driver package of this backend is not installed. */
  | 'DRIVER_MISSING'
  /** The handle was closed. */
  | 'CLOSED'
  /** A pick was asked before any list arrived. */
  | 'NOT_RESOLVED'
  /** The list is known and holds no endpoint. */
  | 'NO_ENDPOINTS'
  /** Every endpoint has as many requests as the caller allows. */
  | 'OVERLOADED'
  /** Somebody else holds this instance id. */
  | 'CONFLICT';

const MARK: unique symbol = Symbol.for('pilotfish.error');

export class PilotfishError extends Error {
  readonly code: ErrorCode;
  readonly [MARK]: true = true;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PilotfishError';
    this.code = code;
  }
}

/** True for any pilotfish error, or for one with that code. */
export function isPilotfishError(error: unknown, code?: ErrorCode): error is PilotfishError {
  if (typeof error !== 'object' || error === null || !(MARK in error)) return false;
  return code === undefined || (error as PilotfishError).code === code;
}

/** The message of anything that was thrown, on one line, with the causes that say more. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
  const cause = error.cause === undefined ? '' : messageOf(error.cause);
  return (cause === '' || own.includes(cause) ? own : `${own}: ${cause}`).replaceAll(/\s*\n\s*/g, ' ');
}
