import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durationParam, parseRegistryUrl, schemeOf, type UrlRules } from '../../registry/url.js';
import { BadInputError, formatProblem } from '../../runtime/expected.js';

const HOSTS: UrlRules = { defaultPort: 2181, params: { sessionTimeout: 'duration', format: 'text' } };
const PATH: UrlRules = { params: { ttl: 'duration' } };
const BARE: UrlRules = { defaultPort: 80, params: {} };

const FORM = /^expected .+, got .+, at .+$/;

/** What is wrong with a URL, a line a problem. */
function problems(text: string, rules: UrlRules): readonly string[] {
  try {
    parseRegistryUrl(text, rules);
    return [];
  } catch (error) {
    if (error instanceof BadInputError) return error.problems.map(formatProblem);
    throw error;
  }
}

describe('a URL with hosts', () => {
  test.each([
    ['zookeeper://a', [{ host: 'a', port: 2181 }], ''],
    [
      'zookeeper://a:1,b:2',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      '',
    ],
    [
      'zookeeper://[::1]:1,10.0.0.1',
      [
        { host: '::1', port: 1 },
        { host: '10.0.0.1', port: 2181 },
      ],
      '',
    ],
    ['zookeeper://a/', [{ host: 'a', port: 2181 }], ''],
    ['zookeeper://a/team/prod', [{ host: 'a', port: 2181 }], '/team/prod'],
    ['zookeeper://a/team//', [{ host: 'a', port: 2181 }], '/team'],
    ['zookeeper:a:1', [{ host: 'a', port: 1 }], ''],
  ])('%s is read', (text, hosts, path) => {
    expect(parseRegistryUrl(text, HOSTS)).toEqual({
      text,
      scheme: 'zookeeper',
      hosts,
      path,
      params: new Map(),
    });
  });

  test('keeps its parameters, decoded', () => {
    const { params } = parseRegistryUrl('zookeeper://a/p?sessionTimeout=5s&format=a%20b', HOSTS);
    expect(Object.fromEntries(params)).toEqual({ sessionTimeout: '5s', format: 'a b' });
  });
});

test.each([
  ['local:', ''],
  ['local:/var/run/x', '/var/run/x'],
  ['static:endpoints.json', 'endpoints.json'],
  ['local:/home/a@b,c:d', '/home/a@b,c:d'],
])('a URL without hosts, %s, has whatever follows the colon as its path', (text, path) => {
  expect(parseRegistryUrl(text, PATH)).toMatchObject({ hosts: [], path });
});

test('a duration parameter is in milliseconds, or the default', () => {
  const url = parseRegistryUrl('local:?ttl=2s', PATH);
  expect(durationParam(url, 'ttl', 7)).toBe(2000);
  expect(durationParam(url, 'poll', 7)).toBe(7);
});

describe('a wrong URL', () => {
  test.each([
    ['zookeeper:', HOSTS, ['expected host:port, got "", at registry']],
    ['zookeeper:///team', HOSTS, ['expected host:port, got "", at registry']],
    ['zookeeper://a,,b', HOSTS, ['expected host:port, got "", at registry']],
    ['zookeeper://a:0', HOSTS, ['expected host:port, got "a:0", at registry']],
    ['zookeeper://a:99999', HOSTS, ['expected host:port, got "a:99999", at registry']],
    ['zookeeper://::1', HOSTS, ['expected host:port, got "::1", at registry']],
    ['zookeeper://a\u001b[31m', HOSTS, ['expected host:port, got "a\\u001b[31m", at registry']],
    [
      'zookeeper://a?timeout=5s',
      HOSTS,
      ['expected one of: sessionTimeout, format, got "timeout", at registry?timeout'],
    ],
    [
      'zookeeper://a?sessionTimeout=5',
      HOSTS,
      ['expected a duration such as "500ms" or "10s", got "5", at registry?sessionTimeout'],
    ],
    ['http://a?x=1', BARE, ['expected one of: none, got "x", at registry?x']],
    ['zookeeper://a?constructor=1', HOSTS, [expect.stringContaining('got "constructor"')]],
    ['zookeeper://a?a%0Ab=1', HOSTS, [expect.stringContaining('at registry?a\\u000ab')]],
  ])('%j is refused for %#', (text, rules, lines) => {
    expect(problems(text, rules)).toEqual(lines);
  });

  test('is told everything at once', () => {
    expect(problems('zookeeper://a:0,b,c:x?sessionTimeout=soon&what=1', HOSTS)).toEqual([
      expect.stringContaining('"a:0"'),
      expect.stringContaining('"c:x"'),
      expect.stringContaining('"soon"'),
      expect.stringContaining('"what"'),
    ]);
  });

  test('is told where it stands', () => {
    expect(() => parseRegistryUrl('zookeeper://', HOSTS, 'registries[1]')).toThrow(/at registries\[1\]$/);
  });

  test('leads to lines of the one form only, whatever it is', () => {
    const text = fc.string({ unit: 'binary' }).map((rest) => `zookeeper://${rest}`);
    fc.assert(
      fc.property(text, (each) => {
        for (const line of problems(each, HOSTS)) expect(line).toMatch(FORM);
      }),
      { examples: [['zookeeper://\n'], ['zookeeper://a?\n=1'], ['zookeeper://a?sessionTimeout=\n']] },
    );
  });
});

describe('a secret in a URL is never repeated', () => {
  test.each([
    'zookeeper://user:hunter2@a:2181',
    'zookeeper://hunter2@a',
    'zookeeper://user:hunter2/x@a:2181',
    'zookeeper://user:hunter2?x@a:2181',
    'zookeeper://user:x?hunter2@a:2181',
    'zookeeper://user:x?sessionTimeout=hunter2@a:2181',
    'zookeeper://a,user:hunter2@b',
    'zookeeper://a?token=hunter2',
  ])('%s', (text) => {
    const lines = problems(text, HOSTS);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatch(FORM);
      expect(line).not.toContain('hunter2');
    }
  });
});

test.each([
  ['zookeeper://a', 'zookeeper'],
  ['a+b-1:', 'a+b-1'],
  ['', undefined],
  ['zookeeper', undefined],
  [':a', undefined],
  ['1a:', undefined],
  ['ZOOKEEPER://a', undefined],
  [' local:', undefined],
])('the scheme of %j is %s', (text, scheme) => {
  expect(schemeOf(text)).toBe(scheme);
});
