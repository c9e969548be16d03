/** The JSON object of a request: what is taken, and what each mistake is answered with. */
import { describe, expect, test } from 'vitest';
import { jsonBody, unknownMembers, wrongContentType, wrongMembers } from '../../sidecar/admin-body.js';

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const replyTo = (body: string | Buffer) => {
  const result = jsonBody({ body: Buffer.from(body) });
  return result.ok ? result.value : [result.error.status, JSON.parse(result.error.body?.text ?? '')];
};

describe('the body', () => {
  test.each([
    ['', {}],
    ['{}', {}],
    ['{"service":"orders","on":true}', { service: 'orders', on: true }],
    [nested(8), JSON.parse(nested(8))],
  ])('%s is taken', (body, value) => {
    expect(replyTo(body)).toEqual(value);
  });

  test.each([
    ['text', 'orders'],
    ['a list', '[{"service":"orders"}]'],
    ['null', 'null'],
    ['a number', '1'],
    ['cut off', '{"service":'],
    ['no UTF-8', Buffer.from('{"a":"\xff"}', 'latin1')],
  ])('that is %s is 400', (_, body) => {
    expect(replyTo(body)).toEqual([400, { error: 'expected a JSON object, at body' }]);
  });

  test.each([9, 2000])('of %i levels is 400', (levels) => {
    const error = 'expected at most 8 levels of objects and lists, got more, at body';
    expect(replyTo(nested(levels))).toEqual([400, { error }]);
  });

  test('cannot reach a prototype', () => {
    expect(replyTo('{"__proto__":{"service":"orders"}}')).not.toHaveProperty('service');
  });
});

describe('the content type', () => {
  test.each([
    ['POST', 'application/json', '{}'],
    ['POST', 'Application/JSON; charset=utf-8', ''],
    ['PUT', undefined, ''],
    ['GET', undefined, ''],
  ])('%s with %j and %j is right', (method, type, body) => {
    expect(wrongContentType(method, type, Buffer.from(body))).toBeUndefined();
  });

  test.each([
    ['POST', undefined, ''],
    ['POST', 'text/plain', '{}'],
    ['POST', 'application/x-www-form-urlencoded', 'a=b'],
    ['POST', 'application/jsonp', '{}'],
    ['PUT', 'text/plain', '{}'],
    ['DELETE', undefined, '{}'],
  ])('%s with %j and %j is 415', (method, type, body) => {
    expect(wrongContentType(method, type, Buffer.from(body))).toMatchObject({ status: 415 });
  });
});

test('members that nobody asked for are problems, all of them', () => {
  const found = unknownMembers({ service: 'orders', reson: 'x', whoo: 'y' }, ['service', 'reason', 'who']);
  expect(JSON.parse(wrongMembers(found).body?.text ?? '')).toEqual({
    errors: [
      'expected one of: service, reason, who, got "reson", at body',
      'expected one of: service, reason, who, got "whoo", at body',
    ],
  });
});
