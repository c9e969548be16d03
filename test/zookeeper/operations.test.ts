import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exposedGc } from '../../bench/garbage.js';
import type { Registry } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { openWritable } from '../../registry/open.js';
import { isZkError, type ZkAcl, type ZkErrorCode, type ZkNode } from '../../registry/zookeeper/driver.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import type { NodeKind, WatchEvent } from '../../registry/zookeeper/wire/records.js';
import { systemClock } from '../../runtime/clock.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { type ConnectedClient, connectClient, untilState } from '../helpers/zk.js';
import { fourLetterWord, type RunningServer, startServer } from '../servers/index.js';

const NOTHING = Buffer.alloc(0);
const WORLD: readonly ZkAcl[] = [
  { permissions: ['read', 'write', 'create', 'delete', 'admin'], scheme: 'world', id: 'anyone' },
];

let server: RunningServer;
let client: ConnectedClient;
let zk: WireClient;
let folders = 0;

beforeAll(async () => {
  server = await startServer('zookeeper');
  client = await connectClient(server.address);
  zk = client.zk;
});

afterAll(async () => {
  await zk?.close();
  await server?.stop();
});

/** A node of the test's own to put others under. */
async function folder(): Promise<string> {
  return (await zk.create(`/test-${folders++}`, NOTHING, 'persistent')).path;
}

async function codeOf(work: Promise<unknown>): Promise<ZkErrorCode | 'ok' | 'another error'> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    return isZkError(error) ? error.code : 'another error';
  }
}

/** What a watch reported, and a way to wait for more. */
class Reports<T> {
  readonly all: T[] = [];
  readonly #bell = new Doorbell();
  readonly add = (report: T): void => {
    this.all.push(report);
    this.#bell.ring();
  };

  async until(isEnough: (all: readonly T[]) => boolean, limitMs = 10_000): Promise<void> {
    const end = systemClock.now() + limitMs;
    while (!isEnough(this.all)) {
      const leftMs = end - systemClock.now();
      if (leftMs <= 0)
        throw new Error(`not within ${limitMs} ms: ${isEnough}; it reported ${JSON.stringify(this.all)}`);
      await this.#bell.wait(systemClock, leftMs);
    }
  }
}

describe('create', () => {
  test.each<[NodeKind, boolean, boolean]>([
    ['persistent', false, false],
    ['ephemeral', true, false],
    ['persistent-sequential', false, true],
    ['ephemeral-sequential', true, true],
    ['container', false, false],
    ['persistent-ttl', false, false],
    ['persistent-sequential-ttl', false, true],
  ])('makes a node that is %s', async (kind, isOwned, isSequential) => {
    const path = `${await folder()}/node`;
    const created = await zk.create(path, Buffer.from('data'), kind, { ttlMs: 60_000 });
    expect(created.path).toMatch(isSequential ? /\/node\d{10}$/ : /\/node$/);
    const { data, stat } = await zk.get(created.path);
    expect([Buffer.from(data).toString(), stat]).toEqual(['data', created.stat]);
    expect([stat.version, stat.owner]).toEqual([0, isOwned ? zk.id : undefined]);
    expect(stat.czxid).toBe(stat.mzxid);
  });

  test('numbers sequential nodes one after the other', async () => {
    const path = `${await folder()}/n-`;
    const made = await Promise.all(
      Array.from({ length: 5 }, () => zk.create(path, NOTHING, 'persistent-sequential')),
    );
    expect(made.map((each) => Number(each.path.slice(-10)))).toEqual([0, 1, 2, 3, 4]);
  });

  test('sets the ACL with the creation', async () => {
    const path = `${await folder()}/guarded`;
    const acl: ZkAcl[] = [
      { permissions: ['read', 'admin'], scheme: 'world', id: 'anyone' },
      { permissions: ['write'], scheme: 'ip', id: '127.0.0.1' },
    ];
    await zk.create(path, NOTHING, 'persistent', { acl });
    expect((await zk.getAcl(path)).acl).toEqual(acl);
  });

  test.each<[string, () => Promise<unknown>, ZkErrorCode]>([
    ['a node that is there', () => zk.create('/zookeeper', NOTHING, 'persistent'), 'NODE_EXISTS'],
    ['a node below none', () => zk.create('/none/such', NOTHING, 'persistent'), 'NO_NODE'],
    ['a path without a slash', () => zk.create('wrong', NOTHING, 'persistent'), 'BAD_ARGUMENTS'],
    ['an ACL of nobody', () => zk.create('/x', NOTHING, 'persistent', { acl: [] }), 'BAD_ARGUMENTS'],
    [
      'a time to live of nothing',
      () => zk.create('/x', NOTHING, 'persistent-ttl', { ttlMs: 0 }),
      'BAD_ARGUMENTS',
    ],
  ])('refuses %s', async (_name, create, code) => {
    expect(await codeOf(create())).toBe(code);
    expect(zk.state).toBe('connected');
  });

  test('refuses a child of an ephemeral node', async () => {
    const path = `${await folder()}/mine`;
    await zk.create(path, NOTHING, 'ephemeral');
    expect(await codeOf(zk.create(`${path}/child`, NOTHING, 'persistent'))).toBe('BAD_ARGUMENTS');
  });
});

describe('reading and writing', () => {
  test('a node as it was written, whatever the bytes and the name', async () => {
    const path = `${await folder()}/Fünf 五`;
    const data = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await zk.create(path, data, 'persistent');
    expect(Buffer.from((await zk.get(path)).data)).toEqual(data);
    expect((await zk.children(path.slice(0, path.lastIndexOf('/')))).names).toEqual(['Fünf 五']);
  });

  test('the version guards every change', async () => {
    const path = `${await folder()}/node`;
    await zk.create(path, NOTHING, 'persistent');
    expect((await zk.set(path, Buffer.from('one'), 0)).version).toBe(1);
    expect(await codeOf(zk.set(path, Buffer.from('two'), 0))).toBe('BAD_VERSION');
    expect((await zk.set(path, Buffer.from('three'), -1)).version).toBe(2);
    expect(await codeOf(zk.delete(path, 1))).toBe('BAD_VERSION');
    await zk.delete(path, 2);
    expect(await zk.exists(path)).toBeUndefined();
  });

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['get', (path) => zk.get(path)],
    ['children', (path) => zk.children(path)],
    ['set', (path) => zk.set(path, NOTHING, -1)],
    ['delete', (path) => zk.delete(path, -1)],
    ['getAcl', (path) => zk.getAcl(path)],
    ['setAcl', (path) => zk.setAcl(path, WORLD, -1)],
  ])('%s of a node that is not there is NO_NODE', async (_name, operation) => {
    expect(await codeOf(operation('/not-there'))).toBe('NO_NODE');
  });

  test('a node with children is not deleted', async () => {
    const path = await folder();
    await zk.create(`${path}/child`, NOTHING, 'persistent');
    expect(await codeOf(zk.delete(path, -1))).toBe('NOT_EMPTY');
  });

  test('the ACL has a version of its own', async () => {
    const path = await folder();
    const readOnly: ZkAcl[] = [{ permissions: ['read', 'admin'], scheme: 'world', id: 'anyone' }];
    await zk.setAcl(path, readOnly, 0);
    expect(await codeOf(zk.setAcl(path, readOnly, 0))).toBe('BAD_VERSION');
    expect(await codeOf(zk.set(path, NOTHING, -1))).toBe('NO_AUTH');
    await zk.setAcl(path, WORLD, 1);
    await zk.set(path, NOTHING, -1);
  });

  test('what another session wrote is seen after a sync', async () => {
    const path = await folder();
    await using other = await connectClient(server.address);
    await other.zk.set(path, Buffer.from('theirs'), 0);
    await zk.sync(path);
    expect(Buffer.from((await zk.get(path)).data).toString()).toBe('theirs');
  });

  test('pipelined requests are answered each with its own', async () => {
    const path = await folder();
    const names = Array.from({ length: 2_000 }, (_, i) => `n${i}`);
    await Promise.all(names.map((name) => zk.create(`${path}/${name}`, Buffer.from(name), 'persistent')));
    const nodes = await Promise.all(names.map((name) => zk.get(`${path}/${name}`)));
    expect(nodes.map(({ data }) => Buffer.from(data).toString())).toEqual(names);
  });
});

describe('multi', () => {
  test('does everything, and says what it did', async () => {
    const path = await folder();
    await zk.create(`${path}/old`, NOTHING, 'persistent');
    const results = await zk.multi([
      { type: 'check', path, version: 0 },
      { type: 'create', path: `${path}/new`, data: Buffer.from('n'), kind: 'ephemeral' },
      { type: 'set', path: `${path}/new`, data: Buffer.from('m'), version: 0 },
      { type: 'create', path: `${path}/n-`, data: NOTHING, kind: 'persistent-sequential' },
      { type: 'delete', path: `${path}/old`, version: 0 },
    ]);
    expect(results).toMatchObject([
      { type: 'check' },
      { type: 'create', path: `${path}/new` },
      { type: 'set', stat: { version: 1 } },
      { type: 'create', path: expect.stringMatching(/n-\d{10}$/) },
      { type: 'delete' },
    ]);
    expect((await zk.children(path)).names.toSorted()).toEqual(['n-0000000002', 'new']);
    expect((await zk.get(`${path}/new`)).stat).toMatchObject({ version: 1, owner: zk.id });
  });

  test('or nothing, and says why', async () => {
    const path = await folder();
    const results = await zk.multi([
      { type: 'create', path: `${path}/a`, data: NOTHING, kind: 'persistent' },
      { type: 'check', path, version: 7 },
      { type: 'create', path: `${path}/b`, data: NOTHING, kind: 'persistent' },
    ]);
    expect(results).toEqual([
      { type: 'error', code: 'ROLLED_BACK' },
      { type: 'error', code: 'BAD_VERSION' },
      { type: 'error', code: 'ROLLED_BACK' },
    ]);
    expect((await zk.children(path)).names).toEqual([]);
  });

  test('of nothing is nothing', async () => {
    expect(await zk.multi([])).toEqual([]);
  });
});

describe('replace', () => {
  test('puts a node of ours in the place of another without a moment between', async () => {
    const path = `${await folder()}/node`;
    const old = await connectClient(server.address);
    await old.zk.create(path, Buffer.from('old'), 'ephemeral');
    const seen = new Reports<WatchEvent>();
    const stop = await zk.addWatch(path, 'recursive', seen.add);
    const { version } = (await zk.get(path)).stat;
    await zk.replace(path, Buffer.from('new'), version);
    const { data, stat } = await zk.get(path);
    expect([Buffer.from(data).toString(), stat.owner]).toEqual(['new', zk.id]);
    await seen.until((all) => all.length === 2);
    expect(seen.all.map(({ type }) => type)).toEqual(['deleted', 'created']);
    await old[Symbol.asyncDispose]();
    expect((await zk.get(path)).stat.owner).toBe(zk.id);
    await stop();
  });

  test.each<[ZkErrorCode, string, number]>([
    ['BAD_VERSION', '', 3],
    ['NO_NODE', '/none', 0],
  ])('fails whole with %s', async (code, below, version) => {
    const path = await folder();
    expect(await codeOf(zk.replace(`${path}${below}`, NOTHING, version))).toBe(code);
    expect((await zk.exists(path))?.owner).toBeUndefined();
  });
});

describe('getMany', () => {
  test('reads many at once, in their order, with what is missing or not ours to read among them', async () => {
    const path = await folder();
    const names = Array.from({ length: 600 }, (_, i) => `n${i}`);
    await Promise.all(names.map((name) => zk.create(`${path}/${name}`, Buffer.from(name), 'persistent')));
    await zk.delete(`${path}/n17`, -1);
    await zk.setAcl(`${path}/n18`, [{ permissions: ['admin'], scheme: 'world', id: 'anyone' }], -1);
    const nodes = await zk.getMany(names.map((name) => `${path}/${name}`));
    expect([nodes.length, nodes[17], nodes[18]]).toEqual([600, undefined, 'NO_AUTH']);
    const read = nodes.filter((node): node is ZkNode => typeof node === 'object');
    expect(read.map(({ data }) => Buffer.from(data).toString())).toEqual(
      names.filter((name) => name !== 'n17' && name !== 'n18'),
    );
    expect(zk.state).toBe('connected');
  });

  test('reads none of none', async () => {
    expect(await zk.getMany([])).toEqual([]);
  });
});

describe('one-shot watches', () => {
  test('are called once, for the first change after they were asked for', async () => {
    const path = await folder();
    const calls = new Reports<string>();
    await zk.get(path, () => calls.add('data'));
    await zk.children(path, () => calls.add('children'));
    await zk.exists(`${path}/child`, () => calls.add('child'));
    await zk.set(path, NOTHING, -1);
    await zk.set(path, NOTHING, -1);
    await zk.create(`${path}/child`, NOTHING, 'persistent');
    await zk.set(`${path}/child`, NOTHING, -1);
    await zk.delete(`${path}/child`, -1);
    await zk.sync(path);
    expect(calls.all.toSorted()).toEqual(['child', 'children', 'data']);
    expect(zk.load.watches).toBe(0);
  });

  test('are not armed by a read that failed', async () => {
    expect(await codeOf(zk.get('/not-there', () => {}))).toBe('NO_NODE');
    expect(await codeOf(zk.children('/not-there', () => {}))).toBe('NO_NODE');
    expect(zk.load.watches).toBe(0);
  });

  test('come through a reconnect, and report what happened meanwhile', async () => {
    const path = await folder();
    await using watcher = await connectClient(server.address);
    const calls = new Reports<string>();
    await watcher.zk.get(path, () => calls.add('data'));
    await zk.set(path, Buffer.from('meanwhile'), -1);
    await calls.until((all) => all.length === 1);
    await watcher.zk.get(path, () => calls.add('again'));
    await server.restart();
    await untilState(watcher.zk, 'connected');
    await untilState(zk, 'connected');
    await zk.set(path, NOTHING, -1);
    await calls.until((all) => all.includes('again'));
  });

  test('leave nothing behind when they have fired, however many there were', async () => {
    const path = await folder();
    const rounds = 40;
    const perRound = 500;
    const names = Array.from({ length: perRound }, (_, i) => `${path}/n${i}`);
    await Promise.all(names.map((name) => zk.create(name, NOTHING, 'persistent')));
    let fired = 0;
    const round = async (): Promise<void> => {
      await Promise.all(names.map((name) => zk.get(name, () => fired++)));
      await Promise.all(names.map((name) => zk.set(name, NOTHING, -1)));
    };
    await round();
    const before = heapBytes();
    for (let i = 1; i < rounds; i++) await round();
    expect([fired, zk.load]).toEqual([rounds * perRound, { watches: 0, pending: 0 }]);
    expect(await watchesOnServer()).toBe(0);
    // A callback kept for each would be more than 100 bytes times 20,000.
    expect(heapBytes() - before).toBeLessThan(2 ** 20);
  }, 60_000);
});

describe('watches that stay', () => {
  test('report everything below their path, and nothing after they were removed', async () => {
    const path = await folder();
    const seen = new Reports<string>();
    const stop = await zk.addWatch(path, 'recursive', ({ type, path: at }) => seen.add(`${type} ${at}`));
    await zk.create(`${path}/a`, NOTHING, 'persistent');
    await zk.create(`${path}/a/b`, NOTHING, 'persistent');
    await zk.set(`${path}/a/b`, NOTHING, -1);
    await zk.set(`${path}/a/b`, NOTHING, -1);
    await zk.delete(`${path}/a/b`, -1);
    await seen.until((all) => all.length === 5);
    expect(seen.all).toEqual([
      `created ${path}/a`,
      `created ${path}/a/b`,
      `changed ${path}/a/b`,
      `changed ${path}/a/b`,
      `deleted ${path}/a/b`,
    ]);
    await stop();
    expect([zk.load.watches, await watchesOnServer()]).toEqual([0, 0]);
    await zk.delete(`${path}/a`, -1);
    await zk.sync(path);
    expect(seen.all.length).toBe(5);
  });

  test('of one node report it and the names of its children, not what is below', async () => {
    const path = await folder();
    const seen = new Reports<string>();
    const stop = await zk.addWatch(path, 'persistent', ({ type, path: at }) => seen.add(`${type} ${at}`));
    await zk.create(`${path}/a`, NOTHING, 'persistent');
    await zk.set(`${path}/a`, NOTHING, -1);
    await zk.set(path, NOTHING, -1);
    await zk.create(`${path}/b`, NOTHING, 'persistent');
    await zk.sync(path);
    expect(seen.all).toEqual([`children ${path}`, `changed ${path}`, `children ${path}`]);
    await stop();
  });

  test('may be on a node that is not there yet', async () => {
    const path = `${await folder()}/later`;
    const seen = new Reports<string>();
    const stop = await zk.watchTree(path, ({ type }) => seen.add(type));
    await zk.create(path, NOTHING, 'persistent');
    await zk.delete(path, -1);
    await seen.until((all) => all.length === 2);
    expect(seen.all).toEqual(['created', 'deleted']);
    await stop();
  });

  test('with one path have one watch on the server, until the last of them is removed', async () => {
    const path = await folder();
    const [first, second] = [new Reports<string>(), new Reports<string>()];
    const stopFirst = await zk.watchTree(path, ({ type }) => first.add(type));
    const stopSecond = await zk.watchTree(path, ({ type }) => second.add(type));
    expect(await codeOf(zk.addWatch(path, 'persistent', () => {}))).toBe('BAD_ARGUMENTS');
    await stopFirst();
    await zk.set(path, NOTHING, -1);
    await second.until((all) => all.length === 1);
    expect(first.all).toEqual([]);
    await stopSecond();
    expect(await watchesOnServer()).toBe(0);
  });

  test('when removed call the one-shot watches of the path, which the server removes with them', async () => {
    const path = await folder();
    const calls = new Reports<string>();
    const stop = await zk.watchTree(path, () => {});
    await zk.get(path, () => calls.add('look again'));
    await stop();
    await calls.until((all) => all.length === 1);
    expect([zk.load.watches, await watchesOnServer()]).toEqual([0, 0]);
  });

  test('come through a reconnect in their mode', async () => {
    const path = await folder();
    await zk.create(`${path}/node`, NOTHING, 'persistent');
    await using watcher = await connectClient(server.address);
    const seen = new Reports<string>();
    await watcher.zk.addWatch(path, 'recursive', ({ type, path: at }) => seen.add(`tree ${type} ${at}`));
    await watcher.zk.addWatch(`${path}/node`, 'persistent', ({ type }) => seen.add(`node ${type}`));
    const { id } = watcher.zk;
    await server.restart();
    await untilState(watcher.zk, 'connected');
    await untilState(zk, 'connected');
    // What is asked after the watches were set again is answered once they are.
    await watcher.zk.exists(path);
    await zk.create(`${path}/node/below`, NOTHING, 'persistent');
    await seen.until((all) => all.length === 2);
    expect(seen.all.toSorted()).toEqual(['node children', `tree created ${path}/node/below`]);
    expect(watcher.zk.id).toBe(id);
  });
});

describe('limits', () => {
  test('a request that a server would hang up on is refused, and the session goes on', async () => {
    const path = await folder();
    expect(await codeOf(zk.set(path, Buffer.alloc(2 ** 20), -1))).toBe('TOO_LARGE');
    const largest = Buffer.alloc(2 ** 20 - 100, 7);
    await zk.set(path, largest, -1);
    expect(Buffer.from((await zk.get(path)).data).equals(largest)).toBe(true);
    expect(zk.state).toBe('connected');
    await zk.delete(path, -1);
  });
});

describe('a session', () => {
  test('takes its ephemeral nodes with it at once when it is closed', async () => {
    const path = await folder();
    const other = await connectClient(server.address);
    await other.zk.create(`${path}/theirs`, NOTHING, 'ephemeral');
    await other.zk.close();
    await other.zk.close();
    await zk.sync(path);
    expect(await zk.exists(`${path}/theirs`)).toBeUndefined();
    expect(other.zk.state).toBe('closed');
  });

  test('has the timeout that the server grants', async () => {
    await using other = await connectClient(server.address, { timeoutMs: 1 });
    expect(other.zk.timeoutMs).toBe(1_000);
  });

  test('comes through a restart of the server, with its ephemeral nodes', async () => {
    const path = await folder();
    const { id } = zk;
    await zk.create(`${path}/mine`, NOTHING, 'ephemeral');
    await server.restart();
    await untilState(zk, 'connected');
    expect([zk.id, (await zk.exists(`${path}/mine`))?.owner]).toEqual([id, id]);
  });

  test('lives in the chroot of its URL', async () => {
    const instance = parseInstance({ service: 'web', id: 'web-1', host: '10.0.0.1', port: 80 });
    if (!instance.ok) throw new Error('the instance is wrong');
    const registry: Registry = await openWritable(`zookeeper://${server.address}/deep/er/chroot`);
    try {
      await registry.register(instance.value);
      expect((await zk.children('/deep/er/chroot/web')).names).toEqual(['web-1']);
      expect(await registry.services()).toEqual(['web']);
    } finally {
      await registry.close();
    }
  });
});

test('IPv6 is spoken, in addresses and URLs', async () => {
  await using own = await startServer('zookeeper', { config: ['clientPortAddress=::'] });
  const port = own.address.split(':')[1];
  await using connected = await connectClient(`[::1]:${port}`);
  expect((await connected.zk.children('/')).names).toEqual(['zookeeper']);
  const registry = await openWritable(`zookeeper://[::1]:${port}`);
  await registry.ping();
  await registry.close();
});

async function watchesOnServer(): Promise<number> {
  const answer = await fourLetterWord(server.address, 'wchs');
  return Number(/Total watches:(\d+)/.exec(answer)?.[1]);
}

/** After everything that nobody holds is gone. */
function heapBytes(): number {
  exposedGc()();
  return process.memoryUsage().heapUsed;
}
