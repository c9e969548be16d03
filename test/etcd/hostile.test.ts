import { expect, test, vi } from 'vitest';
import type { RegistryState } from '../../registry/contract.js';
import { encodeInstance } from '../../registry/formats/pilotfish.js';
import { open, openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { sleep, systemClock } from '../../runtime/clock.js';
import { header, json, type Say, startFakeGateway, text } from './fake-gateway.js';
import { inOrder, toBase64 } from './support.js';

const url = (...members: readonly { readonly address: string }[]): string =>
  `etcd://${members.map(({ address }) => address).join(',')}/it?ttl=1s`;

const instance = instanceOf({ service: 'web' });
const kv = (fields: object = {}): object => ({
  key: toBase64('it/web/a'),
  value: encodeInstance(instance).toString('base64'),
  mod_revision: '5',
  ...fields,
});
const hang: Say = () => {};

test('a watch that is cancelled again and again makes no tight loop', async () => {
  await using fake = await startFakeGateway({
    'kv/range': json([{ ...header(9), kvs: [kv()], count: '1' }]),
    watch: json(
      [
        { result: { ...header(9), created: true } },
        { result: { ...header(9), canceled: true, compact_revision: '9' } },
      ],
      { open: true },
    ),
  });
  const registry = await open(url(fake), { random: inOrder });
  const watching = new Watching(registry, 'web');
  await watching.until('the list', ({ instances }) => instances.length === 1);
  await sleep(systemClock, 2_000);
  expect(fake.asked.get('watch')).toBeGreaterThan(1);
  expect(fake.asked.get('watch')).toBeLessThan(12);
  expect(watching.latest?.instances).toHaveLength(1);
  await watching.close();
  await registry.close();
});

const deep = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;

test.each<[string, Say]>([
  ['no JSON', text('<html>')],
  ['a page', text('<html>hello</html>', { type: 'text/html' })],
  ['a redirect', (_body, response) => void response.writeHead(302, { location: '/v3/elsewhere' }).end()],
  ['an error without words', text('', { status: 500 })],
  ['an error that is none', text('[]', { status: 503 })],
  [
    'half an answer',
    (_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"header":');
      response.destroy();
    },
  ],
  [
    'an endless line',
    (_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1 << 20)));
      };
      response.on('drain', more);
      more();
    },
  ],
  ['silence', hang],
  ['null', text('null')],
  ['a list', text('[]')],
  ['an object that is no answer', text('{"kvs":[],"count":"0"}')],
  ['an object in depth', text(deep)],
])(
  '%s is UNAVAILABLE or a TIMEOUT to every call, in time',
  async (_name, say) => {
    await using fake = await startFakeGateway({ 'kv/range': say, 'lease/grant': say, watch: say });
    const registry = await openWritable(url(fake, fake));
    const code = expect.stringMatching(/UNAVAILABLE|TIMEOUT/);
    const began = performance.now();
    await expect(registry.ping()).rejects.toMatchObject({ code });
    await expect(registry.services()).rejects.toMatchObject({ code });
    await expect(registry.register(instance)).rejects.toMatchObject({ code });
    await expect(registry.watch('web')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
    expect(performance.now() - began).toBeLessThan(12_000);
    await registry.close();
  },
  30_000,
);

test.each<[string, unknown]>([
  ['nothing', {}],
  ['keys that are none', { kvs: [null, 1, 'x', {}, [], { key: 7, value: {} }] }],
  ['keys of other shapes', { kvs: { key: 7 }, more: 'yes', count: -1 }],
  [
    'hostile names',
    { kvs: ['__proto__', '../x', 'a/b', '\u001b[2J'].map((id) => kv({ key: toBase64(`it/web/${id}`) })) },
  ],
])('%s in an answer of etcd crashes nothing and lists nothing', async (_name, answer) => {
  await using fake = await startFakeGateway({
    'kv/range': json([{ ...header(3), ...(answer as object) }]),
    watch: hang,
  });
  const registry = await open(url(fake));
  for await (const { instances } of registry.watch('web')) {
    expect(instances).toEqual([]);
    break;
  }
  expect(await registry.services()).toEqual(expect.any(Array));
  expect(Object.keys(Object.prototype)).toEqual([]);
  await registry.close();
});

test.each<[string, readonly unknown[]]>([
  ['an error in the stream', [{ error: { grpc_code: 14, message: 'etcdserver: no leader' } }]],
  ['a line that is no JSON object', ['x', 7, null]],
  [
    'events of another world',
    [{ result: { ...header(9, '78'), events: [{ kv: kv({ mod_revision: '10' }) }] } }],
  ],
])('%s breaks the watch or is left out; the list stays', async (_name, lines) => {
  await using fake = await startFakeGateway({
    'kv/range': json([{ ...header(9), kvs: [kv()] }]),
    watch: json([{ result: { ...header(9), created: true } }, ...lines]),
  });
  const registry = await open(url(fake, fake, fake));
  const watching = new Watching(registry, 'web');
  await vi.waitFor(() => expect(watching.supervised.error).toBeDefined(), 5_000);
  expect(watching.latest?.instances).toHaveLength(1);
  await watching.close();
  await registry.close();
});

test('events that are older than the list, or came before, change nothing', async () => {
  const put = (weight: number, mod_revision: string): object => {
    const value = encodeInstance(instanceOf({ service: 'web', weight })).toString('base64');
    return { result: { ...header(20), events: [{ kv: kv({ value, mod_revision }) }] } };
  };
  const gone = { type: 'DELETE', kv: kv({ mod_revision: '8' }) };
  await using fake = await startFakeGateway({
    'kv/range': json([{ ...header(9), kvs: [kv()] }]),
    watch: json(
      [
        { result: { ...header(9), created: true } },
        put(2, '9'),
        put(3, '12'),
        put(4, '11'),
        { result: { ...header(20), events: [gone] } },
        put(3, '12'),
      ],
      { open: true },
    ),
  });
  const registry = await open(url(fake));
  const watching = new Watching(registry, 'web');
  await watching.until('weight 3', ({ instances }) => instances[0]?.weight === 3);
  expect(watching.latest?.revision).toBe(12);
  expect(watching.seen.every(({ instances }) => [1, 3].includes(instances[0]?.weight ?? 0))).toBe(true);
  await watching.close();
  await registry.close();
});

test('a grant whose answer was lost is found again by its id, and a heartbeat without TTL ends the lease', async () => {
  let grants = 0;
  const ids = new Set<string>();
  let TTL: string | undefined = '3';
  await using fake = await startFakeGateway({
    'lease/grant': (body, response, request) => {
      ids.add((JSON.parse(body) as { ID: string }).ID);
      if (++grants === 1) return void response.destroy();
      const exists = { error: 'etcdserver: lease already exists', code: 9 };
      json([exists], { status: 412 })(body, response, request);
    },
    'lease/keepalive': (body, response, request) =>
      json([{ result: { ...header(3), ...(TTL !== undefined && { TTL }) } }])(body, response, request),
    'lease/revoke': json([header(3)]),
    'kv/txn': json([{ ...header(4), succeeded: true }]),
  });
  const registry = await openWritable(url(fake));
  const states: RegistryState[] = [];
  registry.onState((state) => states.push(state));
  await expect(registry.register(instance)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const registration = await registry.register(instance);
  expect(ids.size).toBe(1);
  TTL = '0';
  expect(await registration.lost).toBe('expired');
  expect(states).toContain('expired');
  await registry.close();
});

test('a gateway that is switched off is named as the likely cause', async () => {
  await using fake = await startFakeGateway({});
  const registry = await open(url(fake));
  await expect(registry.ping()).rejects.toThrow('expected the JSON gateway of etcd 3.4 or later');
  await registry.close();
});

test('a member of another cluster is passed over', async () => {
  const range = (cluster: string, id: string): Say =>
    json([{ ...header(9, cluster), kvs: [kv({ key: toBase64(`it/${id}/a`) })] }]);
  await using ours = await startFakeGateway({ 'kv/range': range('77', 'ours') });
  await using theirs = await startFakeGateway({ 'kv/range': range('88', 'theirs') });
  const registry = await open(url(ours, theirs), { random: inOrder });
  expect(await registry.services()).toEqual(['ours']);
  await ours[Symbol.asyncDispose]();
  await expect(registry.services()).rejects.toThrow('belongs to another cluster, 88');
  await registry.close();
});

test('a page that cannot be read fails the list, which is never half of one', async () => {
  await using fake = await startFakeGateway({
    'kv/range': (body, response, request) => {
      const isFirst = (JSON.parse(body) as { readonly key: string }).key === toBase64('it/web/');
      const say = isFirst
        ? json([{ ...header(9), kvs: [kv()], more: true, count: '2' }])
        : text('', { status: 500 });
      say(body, response, request);
    },
  });
  const registry = await open(url(fake), { random: inOrder });
  const lists = registry.watch('web')[Symbol.asyncIterator]();
  await expect(lists.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await registry.close();
});

test.each<[string, readonly object[], string]>([
  ['says the same again', [kv()], '"it/web/a"'],
  ['says nothing', [], 'nothing'],
])('a gateway that promises more and %s fails the list, which is never half of one', async (_, kvs, got) => {
  await using fake = await startFakeGateway({
    'kv/range': (body, response, request) => {
      const isFirst = (JSON.parse(body) as { readonly key: string }).key === toBase64('it/web/');
      const page = { ...header(9), kvs: isFirst ? [kv()] : kvs, more: true, count: '2' };
      json([page])(body, response, request);
    },
  });
  const registry = await open(url(fake), { random: inOrder });
  const lists = registry.watch('web')[Symbol.asyncIterator]();
  await expect(lists.next()).rejects.toThrow(
    `expected keys from "it/web/a\\u0000" on, got ${got}, at kv/range`,
  );
  await registry.close();
});
