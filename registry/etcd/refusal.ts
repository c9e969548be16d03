/**
 * What etcd refused, from the gateway's JSON: a gRPC code and a message. Only what the code leaves open is read out of the
 * message, because messages change between versions.
 */
import { type ErrorCode, isPilotfishError, PilotfishError } from '../../runtime/errors.js';
import { fieldsOf } from '../../runtime/fields.js';
import { printable } from '../../runtime/printable.js';

/** Why, as far as it makes a difference here. */
export type Reason =
  /** The token is no longer good; another one may be. */
  | 'token'
  /** User, password or permission. */
  | 'denied'
  /** The lease is not there. */
  | 'no lease'
  /** A lease with that id is there already. */
  | 'lease exists'
  /** The revision that was asked for is gone. */
  | 'compacted'
  | 'authentication is off'
  /** The member cannot do it now; another may. */
  | 'unavailable'
  /** The request makes no sense to etcd. */
  | 'invalid';

const CODES: Readonly<Record<Reason, ErrorCode>> = {
  token: 'DENIED',
  denied: 'DENIED',
  'no lease': 'UNAVAILABLE',
  'lease exists': 'UNAVAILABLE',
  compacted: 'UNAVAILABLE',
  'authentication is off': 'UNAVAILABLE',
  unavailable: 'UNAVAILABLE',
  invalid: 'BAD_INPUT',
};

/** gRPC's numbers. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNAUTHENTICATED = 16;

export class EtcdRefusal extends PilotfishError {
  readonly reason: Reason;

  constructor(reason: Reason, message: string) {
    super(CODES[reason], message);
    this.name = 'EtcdRefusal';
    this.reason = reason;
  }
}

export function isRefusal(error: unknown, reason: Reason): boolean {
  return error instanceof EtcdRefusal && error.reason === reason;
}

/** True when the member has understood and said no: it is there, and another would say the same. */
export function isAnswer(error: unknown): boolean {
  return error instanceof EtcdRefusal && error.reason !== 'unavailable';
}

/** True when another member may do better. */
export function mayPass(error: unknown): boolean {
  if (isAnswer(error)) return false;
  return isPilotfishError(error, 'UNAVAILABLE') || isPilotfishError(error, 'TIMEOUT');
}

/** From `{error, message, code}`, the body of a status that is no success or a line of a stream. */
export function refusalOf(body: unknown, what: string): EtcdRefusal {
  const { error, message, code, grpc_code } = fieldsOf(body);
  const nested = fieldsOf(error);
  const text = [message, error, nested.message].find((part) => typeof part === 'string') ?? 'no reason';
  const number = Number(code ?? grpc_code ?? nested.grpc_code ?? 0);
  return new EtcdRefusal(reasonOf(number, String(text)), `${what}: ${printable(String(text), 200)}`);
}

function reasonOf(code: number, message: string): Reason {
  if (code === UNAUTHENTICATED || /invalid auth token|revision in header is old/.test(message))
    return 'token';
  if (code === PERMISSION_DENIED) return 'denied';
  if (code === INVALID_ARGUMENT)
    return /user name|user ID|authentication/.test(message) ? 'denied' : 'invalid';
  if (code === NOT_FOUND && message.includes('lease')) return 'no lease';
  if (code === OUT_OF_RANGE && message.includes('compacted')) return 'compacted';
  if (code !== FAILED_PRECONDITION) return 'unavailable';
  if (message.includes('lease already exists')) return 'lease exists';
  return message.includes('authentication is not enabled') ? 'authentication is off' : 'unavailable';
}
