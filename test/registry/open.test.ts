import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, openWritable, REGISTRY_SCHEMES } from '../../registry/open.js';
import { problemsOf } from '../helpers/problems.js';

const FORM = /^expected .+, got .+, at registry(\?\w+)?$/;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-open-'));
  await writeFile(join(folder, 'endpoints.json'), '{}');
});

afterAll(() => rm(folder, { recursive: true }));

describe('a registry is opened by the scheme of its URL', () => {
  test.each([
    ['local', (): string => `local:${folder}`],
    ['zookeeper', (): string => 'zookeeper://127.0.0.1:9/nobody'],
    ['consul', (): string => 'consul://127.0.0.1:9'],
    ['static', (): string => `static:${folder}/endpoints.json`],
  ])('%s, at once and without waiting for it to answer', async (kind, url) => {
    const registry = await open(url());
    expect(registry).toMatchObject({ kind, url: url(), state: 'connecting' });
    await registry.close();
    expect(registry.state).toBe('closed');
  });

  test('and these are all of them', () => {
    expect([...REGISTRY_SCHEMES].sort()).toEqual(['consul', 'etcd', 'local', 'static', 'zookeeper']);
  });
});

describe('a URL that cannot work is BAD_INPUT, in lines of the one form', () => {
  test.each([
    ['nothing', ''],
    ['no scheme', '127.0.0.1:2181'],
    ['an unknown scheme', 'redis://127.0.0.1'],
    ['a scheme of every object', 'constructor:x'],
    ['a scheme in capitals', 'LOCAL:'],
    ['a control character', '\u001b[31mlocal:'],
    ['a ttl that is none', 'local:?ttl=soon'],
    ['a ttl too short', 'local:?ttl=1ms'],
    ['a poll without a pause', 'local:?poll=0ms'],
    ['an unknown parameter', 'local:?tll=5s'],
    ['no host', 'zookeeper://'],
    ['port 0', 'zookeeper://127.0.0.1:0'],
    ['an IPv6 zone', 'zookeeper://[fe80::1%eth0]:2181'],
    ['a chroot that climbs', 'zookeeper://127.0.0.1/a/../b'],
    ['an empty part in the chroot', 'zookeeper://127.0.0.1/a//b'],
    ['a session shorter than a pause', 'zookeeper://127.0.0.1?sessionTimeout=10ms'],
    ['two agents', 'consul://127.0.0.1,127.0.0.2'],
    ['a path', 'consul://127.0.0.1/v1'],
    ['an agent with an IPv6 zone', 'consul://[fe80::1%eth0]:8500'],
    ['no file', 'static:'],
  ])('%s: %s', async (_, url) => {
    const lines = await problemsOf(open(url));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(FORM);
  });

  test('the schemes are listed where none fits', async () => {
    expect(await problemsOf(open('redis://a'))).toEqual([
      `expected a URL that starts with local:, zookeeper:, consul:, etcd:, static:, got "redis://a", at registry`,
    ]);
  });
});

test.each([
  'zk://user:hunter2@127.0.0.1:2181/path',
  'zookeeper://user:hunter2@127.0.0.1',
  'consul://:hunter2@127.0.0.1:8500',
  'consul://127.0.0.1:8500?token=hunter2',
])('the secret in %s does not reach the error', async (url) => {
  const lines = await problemsOf(open(url));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join()).not.toContain('hunter2');
});

describe('to write', () => {
  test('a registry that can only be read is refused', async () => {
    const url = `static:${folder}/endpoints.json`;
    expect(await problemsOf(openWritable(url))).toEqual([
      `expected a registry that can be written, got "${url}", which is read only, at registry`,
    ]);
  });

  test('any other is opened', async () => {
    const registry = await openWritable(`local:${folder}`);
    expect(registry.register).toBeTypeOf('function');
    await registry.close();
  });
});
