import { describe, expect, test } from 'vitest';
import { isRetryable } from '../../../resolver/call/safety.js';
import { classifyFailure, type FailureVerdict } from '../../../resolver/index.js';
import { PilotfishError } from '../../../runtime/errors.js';

function coded(code: string, more: object = {}): Error {
  return Object.assign(new Error(code), { code, ...more });
}

const connecting = { syscall: 'connect' };

test.each<[string, unknown, FailureVerdict | undefined]>([
  ['a refused connection', coded('ECONNREFUSED', connecting), 'connect'],
  ['a name that does not exist', coded('ENOTFOUND', { syscall: 'getaddrinfo' }), 'connect'],
  ['a name server that is away', coded('EAI_AGAIN'), 'connect'],
  ['a connect timeout of undici', coded('UND_ERR_CONNECT_TIMEOUT'), 'connect'],
  ['a connect timeout of the kernel', coded('ETIMEDOUT', connecting), 'connect'],
  ['a timeout after that', coded('ETIMEDOUT', { syscall: 'read' }), 'timeout'],
  ['no route while connecting', coded('EHOSTUNREACH', connecting), 'connect'],
  ['no route any more', coded('EHOSTUNREACH', { syscall: 'read' }), 'reset'],
  ['a certificate of somebody else', coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'connect'],
  ['a connection reset', coded('ECONNRESET', { syscall: 'read' }), 'reset'],
  ['a reset without a system call', coded('ECONNRESET'), 'reset'],
  ['a broken pipe', coded('EPIPE', { syscall: 'write' }), 'reset'],
  ['the other side closed', coded('UND_ERR_SOCKET'), 'reset'],
  ['a stream that ended early', coded('ERR_STREAM_PREMATURE_CLOSE'), 'reset'],
  ['no headers in time', coded('UND_ERR_HEADERS_TIMEOUT'), 'timeout'],
  ['AbortSignal.timeout', new DOMException('late', 'TimeoutError'), 'timeout'],
  ['our own deadline', new PilotfishError('TIMEOUT', 'late'), 'timeout'],
  ['no file descriptors', coded('EMFILE', connecting), 'local'],
  ['no free port', coded('EADDRNOTAVAIL', connecting), 'local'],
  ['a 503', Object.assign(new Error(), { status: 503 }), 'status'],
  ['a 500', Object.assign(new Error(), { statusCode: 500 }), 'status'],
  ['a 429', Object.assign(new Error(), { status: 429 }), 'status'],
  ['a 501', Object.assign(new Error(), { status: 501 }), 'answer'],
  ['a 404', Object.assign(new Error(), { statusCode: 404 }), 'answer'],
  [
    'the error of fetch',
    new TypeError('fetch failed', { cause: coded('ECONNREFUSED', connecting) }),
    'connect',
  ],
  ['the end of a body', new TypeError('terminated', { cause: coded('UND_ERR_SOCKET') }), 'reset'],
  [
    'all addresses refused',
    allOf(coded('ECONNREFUSED', connecting), coded('ETIMEDOUT', connecting)),
    'connect',
  ],
  ['one of them unknown', allOf(coded('ECONNREFUSED', connecting), new Error('boom')), undefined],
  [
    'one of them unknown, the other way round',
    allOf(new Error('boom'), coded('ECONNREFUSED', connecting)),
    undefined,
  ],
  ['one of them reset', allOf(coded('ECONNREFUSED', connecting), coded('ECONNRESET')), 'reset'],
  ['a mistake of the program', new TypeError('x is not a function'), undefined],
  ['a status that is none', Object.assign(new Error(), { status: 'open' }), undefined],
  ['a string', 'no', undefined],
  ['nothing', undefined, undefined],
])('%s', (_, error, expected) => {
  expect(classifyFailure(error)).toBe(expected);
});

test('causes that go in a circle end', () => {
  const error = new Error('a');
  error.cause = error;
  expect(classifyFailure(error)).toBeUndefined();
});

function allOf(...errors: Error[]): AggregateError {
  return Object.assign(new AggregateError(errors), { code: 'ECONNREFUSED' });
}

describe('whether it may be sent again', () => {
  const error = new Error('boom');

  test.each<[FailureVerdict | undefined, boolean, boolean]>([
    ['connect', true, true],
    ['timeout', false, true],
    ['reset', false, true],
    ['status', false, true],
    ['answer', false, false],
    ['local', false, false],
    [undefined, false, false],
  ])('%s: not idempotent %s, idempotent %s', (verdict, unsafe, safe) => {
    expect(isRetryable({ error, verdict }, {})).toBe(unsafe);
    expect(isRetryable({ error, verdict }, { idempotent: true })).toBe(safe);
  });

  test('the caller decides what is worth it, not what is safe', () => {
    const yes = { isRetryable: () => true };
    expect(isRetryable({ error, verdict: undefined }, { ...yes, idempotent: true })).toBe(true);
    expect(isRetryable({ error, verdict: 'reset' }, yes)).toBe(false);
    expect(isRetryable({ error, verdict: 'connect' }, { isRetryable: () => false })).toBe(false);
  });
});
