/**
 * What a check can say, and which errors say what. A service is not to blame when this process has run out of
 * something: such a check says `unknown`, so that an exhausted sidecar takes no healthy service off the list.
 */
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';

/**
 * - `passing`: the service works.
 * - `warning`: it works and says that something is wrong; it stays listed.
 * - `failing`: it does not work.
 * - `unknown`: the check could not tell, through a fault of our own. It changes nothing.
 */
export const CHECK_STATUSES = ['passing', 'warning', 'failing', 'unknown'] as const;
export type CheckStatus = (typeof CHECK_STATUSES)[number];

/** What a check found, before it is measured. */
export interface Verdict {
  readonly status: CheckStatus;
  readonly reason: string;
  /**
   * What is known of a failure: nothing came back in time; the service could not even be asked; the connection was
   * closed before the answer; or the kernel said for certain that nobody listens, which no further check needs to
   * confirm.
   */
  readonly failure?: 'timeout' | 'unreachable' | 'cut-off' | 'nobody-listens';
}

export class NobodyListensError extends PilotfishError {
  constructor(address: string) {
    super('UNAVAILABLE', `refused twice: nobody listens on ${address}`);
    this.name = 'NobodyListensError';
  }
}

/** Out of descriptors (process, host), of memory, of socket buffers, of local ports, of processes. */
export const OWN_FAULTS = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL', 'EAGAIN'] as const;

const CUT_OFF: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);

/** No route, no network, no name service. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  'EAI_AGAIN',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
]);

export function passing(reason: string): Verdict {
  return { status: 'passing', reason };
}

export function failing(reason: string): Verdict {
  return { status: 'failing', reason };
}

export function unknown(reason: string): Verdict {
  return { status: 'unknown', reason };
}

/** An answer that began and was not ended, or never began. */
export function cutOff(): Verdict {
  return { ...failing('the connection was closed before the answer was complete'), failure: 'cut-off' };
}

export function verdictOf(error: unknown): Verdict {
  if (isPilotfishError(error, 'CLOSED')) return unknown(messageOf(error));
  if (isOwnFault(error)) return unknown(`could not check: ${describeError(error)}`);
  const failure = failureOf(error);
  return { ...failing(describeError(error)), ...(failure && { failure }) };
}

function failureOf(error: unknown): Verdict['failure'] {
  if (error instanceof NobodyListensError) return 'nobody-listens';
  if (isPilotfishError(error, 'TIMEOUT')) return 'timeout';
  if (UNREACHABLE.has(codeOf(error))) return 'unreachable';
  return CUT_OFF.has(codeOf(error)) ? 'cut-off' : undefined;
}

/** Of several addresses tried, one that truly refused decides: the others may be missing, as ::1 often is. */
function isOwnFault(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isOwnFault);
  const code = codeOf(error);
  return OWN_FAULTS.some((fault) => fault === code);
}

function describeError(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error);
}

export function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
