import { describe, expect, it } from 'vitest';
import {
  failureOf,
  isFailureStatus,
  isOwnFault,
  isTimeout,
  retryAfterMs,
} from '../../../resolver/http/failure.js';

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('an error after the request was sent', () => {
  it.each([
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['HPE_INVALID_CONSTANT', 'reset'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_INVALID_ARG', undefined],
    ['UND_ERR_DESTROYED', undefined],
    ['ENOENT', undefined],
  ])('%s is %s', (code, kind) => {
    expect(failureOf(coded(code))).toBe(kind);
  });

  it.each([undefined, null, 'text', 7, new Error('odd')])('%s says nothing', (error) => {
    expect(failureOf(error)).toBeUndefined();
  });
});

it('the reason of AbortSignal.timeout is a timeout, that of an ordinary abort is none', () => {
  expect(isTimeout(new DOMException('late', 'TimeoutError'))).toBe(true);
  expect(isTimeout(new DOMException('stop', 'AbortError'))).toBe(false);
});

it('a lack of descriptors or ports is our own fault', () => {
  expect(['EMFILE', 'EADDRNOTAVAIL', 'ECONNREFUSED'].map((code) => isOwnFault(coded(code)))).toEqual([
    true,
    true,
    false,
  ]);
});

it.each([
  [200, false],
  [404, false],
  [429, true],
  [499, false],
  [500, true],
  [501, false],
  [599, true],
])('the status %i is a failure: %s (T15)', (status, expected) => {
  expect(isFailureStatus(status)).toBe(expected);
});

describe('Retry-After', () => {
  const now = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');

  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Wed, 21 Oct 2015 07:28:05 GMT', 5000],
    ['Wed, 21 Oct 2015 07:27:00 GMT', 0],
    ['99999999999', 86_400_000],
    ['soon', undefined],
    ['', undefined],
    ['-5x', undefined],
  ])('of %j is %s ms', (text, expected) => {
    expect(retryAfterMs(text, now)).toBe(expected);
  });
});
