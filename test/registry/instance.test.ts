import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeInstance, encodeInstance, MAX_ENTRY_BYTES } from '../../registry/formats/pilotfish.js';
import { type InstanceInput, isName, parseInstance, sameInstance } from '../../registry/instance.js';
import { instanceOf } from '../../registry/testing/index.js';
import { formatProblem } from '../../runtime/expected.js';

const valid = { service: 'orders', id: 'a', host: '10.0.0.1', port: 8080 };

function problemsOf(input: Partial<InstanceInput>): readonly string[] {
  const parsed = parseInstance({ ...valid, ...input });
  return parsed.ok ? [] : parsed.error.map(formatProblem);
}

describe('an instance is refused with every reason when', () => {
  const long = 'x'.repeat(1025);
  test.each<[string, Partial<InstanceInput>, string]>([
    ['its service climbs', { service: '../etc' }, 'at service'],
    ['its id is empty', { id: '' }, 'at id'],
    ['its id is no text', { id: 7 }, 'at id'],
    ['its host has a zone', { host: 'fe80::1%eth0' }, 'at host'],
    ['its host could be read as a number', { host: '127.1' }, 'at host'],
    ['its host is a number in hexadecimal', { host: '0x7f.1' }, 'at host'],
    ['its host holds a space', { host: 'a b' }, 'at host'],
    ['its port is 0', { port: 0 }, 'at port'],
    ['its port is too high', { port: 65_536 }, 'at port'],
    ['its port is no whole number', { port: 80.5 }, 'at port'],
    ['its port is text', { port: '80' }, 'at port'],
    ['its port is not a number', { port: Number.NaN }, 'at port'],
    ['its weight is negative', { weight: -1 }, 'at weight'],
    ['its weight is infinite', { weight: Number.POSITIVE_INFINITY }, 'at weight'],
    ['its weight is not a number', { weight: Number.NaN }, 'at weight'],
    ['its status is unknown', { status: 'critical' }, 'at status'],
    ['its zone is too long', { zone: long }, 'at zone'],
    ['its tags are no list', { tags: 'a' }, 'at tags'],
    ['a tag is no text', { tags: [1] }, 'at tags'],
    ['its metadata is a list', { metadata: [] }, 'at metadata'],
    ['a value of its metadata is no text', { metadata: { a: 1 } }, 'at metadata.a'],
    ['a value of its metadata is too long', { metadata: { a: long } }, 'at metadata.a'],
  ])('%s', (_name, input, where) => {
    expect(problemsOf(input)).toEqual([
      expect.stringMatching(new RegExp(`^expected .+, got .+, ${where}$`, 's')),
    ]);
  });

  test('several things are wrong', () => {
    expect(problemsOf({ host: '', port: -1, weight: 'heavy' })).toHaveLength(3);
  });
});

test('what may be left out has defaults (T6)', () => {
  expect(parseInstance(valid)).toMatchObject({ ok: true, value: { weight: 1, status: 'passing', tags: [] } });
});

test('names are those that every backend can hold', () => {
  for (const name of ['orders', 'a', 'web-1.internal', '10.0.0.1:8080', '~x_@+=,'])
    expect(isName(name)).toBe(true);
  for (const name of ['', '.', '..', '.a', 'a/b', 'a b', 'a\u0000', 'é', '%2f', 'x'.repeat(201), 5, null]) {
    expect(isName(name)).toBe(false);
  }
});

test('hostile keys never reach a prototype', () => {
  const metadata = JSON.parse('{"__proto__": "x", "constructor": "y", "prototype": "z", "fine": "w"}');
  const parsed = parseInstance({ ...valid, metadata });
  expect(parsed.ok && { ...parsed.value.metadata }).toEqual({ fine: 'w' });
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

describe('two instances are the same', () => {
  const full = instanceOf({
    ...valid,
    zone: 'z',
    version: '1',
    tags: ['a', 'b'],
    metadata: { a: '1', b: '2' },
  });

  test('when every field is, whatever the order of the metadata', () => {
    expect(sameInstance(full, { ...full, tags: ['a', 'b'], metadata: { b: '2', a: '1' } })).toBe(true);
  });

  test.each([
    { weight: 2 },
    { status: 'warning' as const },
    { zone: undefined },
    { version: '2' },
    { tags: ['b', 'a'] },
    { tags: ['a'] },
    { metadata: { a: '1' } },
    { metadata: { a: '1', b: '2', c: '3' } },
    { metadata: { a: '1', c: '2' } },
    { endpoint: { host: '10.0.0.2', port: 8080 } },
    { endpoint: { host: '10.0.0.1', port: 8081 } },
    { id: 'b' },
    { service: 'users' },
  ])('but not with %o', (other) => {
    expect(sameInstance(full, { ...full, ...other })).toBe(false);
    expect(sameInstance({ ...full, ...other }, full)).toBe(false);
  });
});

describe('the format on the wire', () => {
  const text = fc.string({ maxLength: 20 });
  const instances = fc.record({
    id: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,30}$/),
    host: fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((ip) => !ip.includes('%')),
      fc.constant('web.internal'),
    ),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.integer({ min: 0, max: 65_535 }),
    status: fc.constantFrom('passing', 'warning'),
    zone: fc.option(text, { nil: undefined }),
    version: fc.option(text, { nil: undefined }),
    tags: fc.array(text, { maxLength: 5 }),
    metadata: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), text, { maxKeys: 5 }),
  });

  test('reads back what it wrote', () => {
    fc.assert(
      fc.property(instances, (fields) => {
        const instance = instanceOf({ service: 'orders', ...fields });
        const decoded = decodeInstance(encodeInstance(instance), 'orders', instance.id);
        expect(decoded.ok && sameInstance(decoded.value, instance)).toBe(true);
      }),
    );
  });

  test('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (data) => {
          expect(typeof decodeInstance(data, 'orders', 'a').ok).toBe('boolean');
        },
      ),
    );
  });

  test.each<[string, string | Buffer, RegExp]>([
    [
      'bytes that are no JSON',
      'host: 10.0.0.1',
      /^expected a JSON object, got "host: 10\.0\.0\.1", at entry$/,
    ],
    ['JSON that is no object', '[1]', /^expected a JSON object/],
    ['null', 'null', /^expected a JSON object/],
    ['nothing', '', /^expected a JSON object/],
    [
      'too many bytes',
      Buffer.alloc(MAX_ENTRY_BYTES + 1, ' '),
      /^expected at most 16384 bytes, got 16385, at entry$/,
    ],
    ['the id of another', JSON.stringify({ ...valid, id: 'b' }), /^expected "a", got "b", at id$/],
    [
      'the service of another',
      JSON.stringify({ ...valid, service: 'x' }),
      /^expected "orders", got "x", at service$/,
    ],
    ['a bad field', JSON.stringify({ ...valid, port: 0 }), /^expected .+, got 0, at port$/],
    ['control characters', '\u001b[2J', /^expected a JSON object, got "\\u001b\[2J", at entry$/],
  ])('refuses %s, saying why', (_name, data, reason) => {
    const decoded = decodeInstance(Buffer.from(data), 'orders', 'a');
    expect(decoded).toMatchObject({ ok: false, error: expect.stringMatching(reason) });
  });

  test('ignores fields of newer writers', () => {
    expect(decodeInstance(Buffer.from(JSON.stringify({ ...valid, shard: 4 })), 'orders', 'a').ok).toBe(true);
  });
});
