import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Instance, Snapshot } from '../../registry/contract.js';
import { nervePath } from '../../registry/formats/nerve-path.js';
import { encodeInstance, pilotfish } from '../../registry/formats/pilotfish.js';
import { serverset } from '../../registry/formats/serverset.js';
import { parseInstance } from '../../registry/instance.js';
import { openWritable } from '../../registry/open.js';
import { SupervisedWatch } from '../../registry/supervised.js';
import { ChildListing } from '../../registry/zookeeper/child-listing.js';
import {
  ZkError,
  type ZkErrorCode,
  type ZkNode,
  type ZkSession,
  type ZkStat,
  type ZkTreeEvent,
  type ZkTreeReading,
} from '../../registry/zookeeper/driver.js';
import type { Listing } from '../../registry/zookeeper/listed-children.js';
import { TreeListing } from '../../registry/zookeeper/tree-listing.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { OP } from '../../registry/zookeeper/wire/records.js';
import { systemClock } from '../../runtime/clock.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { seededRandom } from '../../runtime/random.js';
import { connectClient } from '../helpers/zk.js';
import { fourLetterWord, type RunningServer, startServer } from '../servers/index.js';
import { OldServer } from './old-server.js';

const SERVICE = 'web';
const NOTHING = Buffer.alloc(0);
const KINDS = ['tree', 'child'] as const;
type Kind = (typeof KINDS)[number];

function instanceOf(id: string, weight = 1): Instance {
  const instance = parseInstance({ service: SERVICE, id, host: '10.0.0.1', port: 80, weight });
  if (!instance.ok) throw new Error('the instance is wrong');
  return instance.value;
}

const dataOf = (id: string, weight = 1): Buffer => encodeInstance(instanceOf(id, weight));
const idsOf = ({ instances }: Snapshot): string[] => instances.map(({ id }) => id);

function listingOf(
  kind: Kind,
  session: ZkSession & ZkTreeReading,
  path: string,
  onChange: () => void,
): Listing {
  const Kind = kind === 'tree' ? TreeListing : ChildListing;
  return new Kind(session, { service: SERVICE, path, format: pilotfish }, onChange);
}

/** A listing of either kind, read whenever it says that there is something to read. */
class Following {
  readonly listing: Listing;
  readonly seen: Snapshot[] = [];
  readonly #bell = new Doorbell();

  constructor(kind: Kind, session: ZkSession & ZkTreeReading, path: string) {
    this.listing = listingOf(kind, session, path, () => this.#bell.ring());
  }

  async read(): Promise<Snapshot> {
    const snapshot = await this.listing.read();
    this.seen.push(snapshot);
    return snapshot;
  }

  /** Reads after every ring until the list is right. */
  async until(isRight: (snapshot: Snapshot) => boolean, limitMs = 20_000): Promise<Snapshot> {
    const end = systemClock.now() + limitMs;
    for (;;) {
      const snapshot = await this.read();
      if (isRight(snapshot)) return snapshot;
      const leftMs = end - systemClock.now();
      if (leftMs <= 0)
        throw new Error(`not within ${limitMs} ms: ${isRight}; the list is ${idsOf(snapshot)}`);
      await this.#bell.wait(systemClock, leftMs);
    }
  }
}

describe('on a real server', () => {
  let server: RunningServer;
  let zk: WireClient;
  let folders = 0;

  beforeAll(async () => {
    server = await startServer('zookeeper');
    ({ zk } = await connectClient(server.address));
  });

  afterAll(async () => {
    await zk?.close();
    await server?.stop();
  });

  const folder = async (): Promise<string> =>
    (await zk.create(`/list-${folders++}`, NOTHING, 'persistent')).path;

  describe.each(KINDS)('a list by %s', (kind) => {
    test('follows what comes, changes and goes', async () => {
      const path = await folder();
      await using reader = await connectClient(server.address);
      const following = new Following(kind, reader.zk, path);
      expect(idsOf(await following.read())).toEqual([]);
      await zk.create(`${path}/a`, dataOf('a'), 'persistent');
      await following.until((list) => list.instances.length === 1);
      await zk.create(`${path}/b`, dataOf('b'), 'persistent');
      await zk.set(`${path}/a`, dataOf('a', 7), -1);
      await following.until((list) => list.instances[0]?.weight === 7 && list.instances.length === 2);
      await zk.delete(`${path}/a`, -1);
      await following.until((list) => idsOf(list).join() === 'b');
      const revisions = following.seen.map(({ revision }) => revision);
      expect(revisions).toEqual(revisions.toSorted((x, y) => x - y));
      await following.listing.close();
    });

    test('of a service that is not there is empty, until it comes, and when it goes', async () => {
      const path = `${await folder()}/later`;
      await using reader = await connectClient(server.address);
      const following = new Following(kind, reader.zk, path);
      expect(idsOf(await following.read())).toEqual([]);
      await zk.create(path, NOTHING, 'persistent');
      await zk.create(`${path}/a`, dataOf('a'), 'persistent');
      await following.until((list) => list.instances.length === 1);
      await zk.delete(`${path}/a`, -1);
      await zk.delete(path, -1);
      await following.until((list) => list.instances.length === 0);
      await zk.create(path, NOTHING, 'persistent');
      await zk.create(`${path}/b`, dataOf('b'), 'persistent');
      await following.until((list) => idsOf(list).join() === 'b');
      await following.listing.close();
    });

    test('is never without a node that is taken over', async () => {
      const path = await folder();
      await zk.create(`${path}/a`, dataOf('a', 0), 'persistent');
      await using reader = await connectClient(server.address);
      const following = new Following(kind, reader.zk, path);
      await following.read();
      const takeovers = 100;
      const last = following.until((list) => list.instances[0]?.weight === takeovers);
      for (let i = 1; i <= takeovers; i++) await zk.replace(`${path}/a`, dataOf('a', i), 0);
      await last;
      expect(following.seen.filter((list) => idsOf(list).join() !== 'a')).toEqual([]);
      await following.listing.close();
    });

    test('skips what makes no sense and what it may not read, and says so (T23)', async () => {
      const path = await folder();
      await zk.create(`${path}/good`, dataOf('good'), 'persistent');
      await zk.create(`${path}/poison`, Buffer.from('{"port": "eighty"'), 'persistent');
      await zk.create(`${path}/secret`, dataOf('secret'), 'persistent', {
        acl: [{ permissions: ['admin'], scheme: 'world', id: 'anyone' }],
      });
      await using reader = await connectClient(server.address);
      const following = new Following(kind, reader.zk, path);
      const { instances, rejected } = await following.read();
      expect(instances.map(({ id }) => id)).toEqual(['good']);
      expect(rejected.map(({ entry }) => entry).toSorted()).toEqual(['poison', 'secret']);
      expect(rejected.find(({ entry }) => entry === 'secret')?.reason).toBe('it cannot be read: NO_AUTH');
      expect(reader.zk.state).toBe('connected');
      await following.listing.close();
    });

    test('of 10,000 is whole, and a change in it costs one read (T22)', async () => {
      const path = await folder();
      const count = 10_000;
      const ids = Array.from({ length: count }, (_, i) => `i-${i}`);
      await Promise.all(ids.map((id) => zk.create(`${path}/${id}`, dataOf(id), 'persistent')));
      await using reader = await connectClient(server.address);
      const { session, reads } = counted(reader.zk);
      const following = new Following(kind, session, path);
      expect((await following.read()).instances.length).toBe(count);
      reads.length = 0;
      await zk.set(`${path}/i-17`, dataOf('i-17', 9), -1);
      await following.until((list) => list.instances.some(({ id, weight }) => id === 'i-17' && weight === 9));
      expect(reads).toEqual([`${path}/i-17`]);
      expect((await following.listing.reread()).instances.length).toBe(count);
      await following.listing.close();
    }, 60_000);
  });

  test('a list by tree has one watch on the server, and none when it is closed', async () => {
    const path = await folder();
    const ids = Array.from({ length: 50 }, (_, i) => `i-${i}`);
    await Promise.all(ids.map((id) => zk.create(`${path}/${id}`, dataOf(id), 'persistent')));
    await using reader = await connectClient(server.address);
    const following = new Following('tree', reader.zk, path);
    await following.read();
    expect([reader.zk.load.watches, await watchesOnServer()]).toEqual([1, 1]);
    await following.listing.close();
    expect([reader.zk.load.watches, await watchesOnServer()]).toEqual([0, 0]);
  });

  test.each([
    ['addWatch', [OP.addWatch, OP.multiRead]],
    ['multiRead alone', [OP.multiRead]],
  ])(
    'a server that does not know %s is listed by its children, and asked only once',
    async (_name, unknown) => {
      await using old = await OldServer.start(server.address, unknown);
      const registry = await openWritable(`zookeeper://${old.address}/old-${folders++}`);
      const clocks = { clock: systemClock, random: seededRandom(1) };
      const registration = await registry.register(instanceOf('a'));
      const watch = new SupervisedWatch(registry, SERVICE, clocks);
      const until = (isRight: (list: Snapshot) => boolean): Promise<void> =>
        vi.waitFor(() => expect(watch.snapshot !== undefined && isRight(watch.snapshot)).toBe(true), 20_000);
      await until((list) => list.instances.length === 1);
      await registration.update(instanceOf('a', 5));
      await until((list) => list.instances[0]?.weight === 5);
      await registration.close();
      await until((list) => list.instances.length === 0);
      const another = new SupervisedWatch(registry, 'another', clocks);
      await vi.waitFor(() => expect(another.snapshot?.instances).toEqual([]), 20_000);
      await Promise.all([watch.close(), another.close()]);
      await registry.close();
      // The server hangs up on who asks for what it does not know; nobody asks again.
      expect([old.refused.length, old.connections]).toEqual([1, 2]);
    },
  );

  async function watchesOnServer(): Promise<number> {
    return Number(/Total watches:(\d+)/.exec(await fourLetterWord(server.address, 'wchs'))?.[1]);
  }
});

/** The session, with the paths of which the data is read kept. */
function counted(zk: WireClient): { session: ZkSession & ZkTreeReading; reads: string[] } {
  const reads: string[] = [];
  const session = new Proxy(zk, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'get') reads.push(args[0] as string);
        if (name === 'getMany') reads.push(...(args[0] as string[]));
        return value.apply(target, args);
      };
    },
  });
  return { session, reads };
}

/** A server's memory, in which something can happen at any step of a read. */
class ScriptedSession implements ZkSession, ZkTreeReading {
  readonly id = '1';
  readonly timeoutMs = 1_000;
  readonly state = 'connected';
  readonly onState = () => () => {};
  readonly readsTrees = true;
  readonly nodes = new Map<string, ZkNode | ZkErrorCode>();
  /** Called before each step: the operation and its path. */
  before: (step: string) => void = () => {};
  /** How many nodes fit into one reply. */
  replyLimit = Number.POSITIVE_INFINITY;
  steps: string[] = [];
  readonly #once = new Map<string, Set<() => void>>();
  readonly #trees = new Set<(event: ZkTreeEvent) => void>();
  #zxid = 0;

  put(path: string, data: Buffer): void {
    const known = this.nodes.has(path);
    this.nodes.set(path, { data, stat: statOf(++this.#zxid) });
    this.#tell(known ? 'changed' : 'created', path);
  }

  drop(path: string): void {
    this.nodes.delete(path);
    this.#zxid++;
    this.#tell('deleted', path);
  }

  async watchTree(path: string, onEvent: (event: ZkTreeEvent) => void): Promise<() => Promise<void>> {
    await this.#step(`watch ${path}`);
    this.#trees.add(onEvent);
    return async () => void this.#trees.delete(onEvent);
  }

  async getMany(paths: readonly string[]): Promise<readonly (ZkNode | ZkErrorCode | undefined)[]> {
    await this.#step(`getMany ${paths.length}`);
    const nodes = paths.map((path) => this.nodes.get(path));
    if (nodes.length > this.replyLimit || nodes.some((node) => node === 'TOO_LARGE')) {
      throw new ZkError('TOO_LARGE', 'multiRead', paths[0] ?? '');
    }
    return nodes;
  }

  async children(path: string, onChange?: () => void): Promise<{ names: readonly string[]; stat: ZkStat }> {
    await this.#step(`children ${path}`);
    if (onChange !== undefined) this.#arm(`children ${path}`, onChange);
    const names = [...this.nodes.keys()].map((each) => each.slice(path.length + 1));
    return { names, stat: statOf(this.#zxid) };
  }

  async get(path: string, onChange?: () => void): Promise<ZkNode> {
    await this.#step(`get ${path}`);
    const node = this.nodes.get(path);
    if (node === undefined) throw new ZkError('NO_NODE', 'get', path);
    if (typeof node === 'string') throw new ZkError(node, 'get', path);
    if (onChange !== undefined) this.#arm(`data ${path}`, onChange);
    return node;
  }

  async exists(path: string): Promise<ZkStat | undefined> {
    await this.#step(`exists ${path}`);
    const node = this.nodes.get(path);
    return typeof node === 'string' ? statOf(0) : node?.stat;
  }

  create = (): Promise<never> => Promise.reject(new Error('not in this script'));
  set = (): Promise<never> => Promise.reject(new Error('not in this script'));
  delete = (): Promise<never> => Promise.reject(new Error('not in this script'));
  sync = async (): Promise<void> => {};
  close = async (): Promise<void> => {};

  async #step(step: string): Promise<void> {
    this.steps.push(step);
    this.before(step);
    await Promise.resolve();
  }

  #arm(key: string, listener: () => void): void {
    this.#once.set(key, (this.#once.get(key) ?? new Set()).add(listener));
  }

  #tell(type: ZkTreeEvent['type'], path: string): void {
    for (const listener of [...this.#trees]) listener({ type, path });
    const keys = type === 'changed' ? [`data ${path}`] : [`data ${path}`, 'children /web'];
    for (const key of keys) {
      const listeners = this.#once.get(key) ?? [];
      this.#once.delete(key);
      for (const listener of listeners) listener();
    }
  }
}

/** The result says how many turns the event loop has had since, and ends the counting. */
function countTurns(): () => number {
  let turns = 0;
  let next: NodeJS.Immediate;
  const turn = (): void => {
    turns++;
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  return () => {
    clearImmediate(next);
    return turns;
  };
}

function statOf(zxid: number): ZkStat {
  return { czxid: zxid, mzxid: zxid, pzxid: zxid, version: 0, owner: undefined };
}

describe('when something happens in the middle of a read', () => {
  const happenings: [string, (session: ScriptedSession) => void, string[]][] = [
    ['a node comes', (session) => session.put('/web/c', dataOf('c')), ['a', 'b', 'c']],
    ['a node goes', (session) => session.drop('/web/a'), ['b']],
    ['a node changes', (session) => session.put('/web/a', dataOf('a', 9)), ['a', 'b']],
    [
      'a node is taken over',
      (session) => {
        session.drop('/web/a');
        session.put('/web/a', dataOf('a', 9));
      },
      ['a', 'b'],
    ],
  ];

  describe.each(KINDS)('a list by %s', (kind) => {
    describe.each(happenings)('and %s', (_name, happen, expected) => {
      test.each([0, 1, 2])(
        'before step %d, it is right in the end, and was never without a node (T20)',
        async (at) => {
          const session = new ScriptedSession();
          session.put('/web/a', dataOf('a'));
          session.put('/web/b', dataOf('b'));
          session.before = () => {
            if (session.steps.length === at + 1) happen(session);
          };
          let rings = 0;
          const listing = listingOf(kind, session, '/web', () => rings++);
          const lists = [await listing.read()];
          for (let answered = 0; answered < rings; ) {
            answered = rings;
            lists.push(await listing.read());
          }
          expect(idsOf(lists.at(-1) as Snapshot)).toEqual(expected);
          const last = lists.at(-1)?.instances[0];
          const stored = session.nodes.get(`/web/${last?.id}`) as ZkNode;
          expect(encodeInstance(last as Instance)).toEqual(stored.data);
          const mustStay = expected.filter((id) => id !== 'c');
          for (const list of lists) expect(idsOf(list)).toEqual(expect.arrayContaining(mustStay));
        },
      );
    });
  });

  test('a service that never rests is listed all the same', async () => {
    const session = new ScriptedSession();
    session.put('/web/a', dataOf('a'));
    let weight = 0;
    session.before = () => session.put('/web/a', dataOf('a', ++weight % 1_000));
    let rings = 0;
    const listing = listingOf('tree', session, '/web', () => rings++);
    expect(idsOf(await listing.read())).toEqual(['a']);
    expect(rings).toBeGreaterThan(0);
  });
});

describe('a list that is too much for one reply', () => {
  test('is read in smaller parts', async () => {
    const session = new ScriptedSession();
    const ids = Array.from({ length: 100 }, (_, i) => `i-${i}`);
    for (const id of ids) session.put(`/web/${id}`, dataOf(id));
    session.replyLimit = 30;
    const listing = listingOf('tree', session, '/web', () => {});
    expect(idsOf(await listing.read())).toEqual(ids.toSorted());
  });

  test.each(KINDS)('lacks only the node that is so alone, by %s', async (kind) => {
    const session = new ScriptedSession();
    for (const id of ['a', 'b', 'c']) session.put(`/web/${id}`, dataOf(id));
    session.nodes.set('/web/b', 'TOO_LARGE');
    const listing = listingOf(kind, session, '/web', () => {});
    const { instances, rejected } = await listing.read();
    expect(instances.map(({ id }) => id)).toEqual(['a', 'c']);
    expect(rejected).toEqual([{ entry: 'b', reason: 'it cannot be read: TOO_LARGE', id: 'b' }]);
    session.put('/web/b', dataOf('b'));
    expect(idsOf(await listing.reread())).toEqual(['a', 'b', 'c']);
  });
});

describe('a list whose names say everything', () => {
  const nameOf = (id: string, number: number): string =>
    `${nervePath.encode?.(instanceOf(id), 0).name}${String(number).padStart(10, '0')}`;
  const listed = { service: SERVICE, path: '/web', format: nervePath };

  test.each([
    ['child', ChildListing, ['children /web']],
    ['tree', TreeListing, ['watch /web', 'children /web']],
  ] as const)(
    'is read without any node, and leaves the event loop its turns however long it is, by %s',
    async (_kind, Kind, steps) => {
      const session = new ScriptedSession();
      for (let i = 0; i < 3_000; i++) session.put(`/web/${nameOf(`i-${i}`, i)}`, NOTHING);
      const listing = new Kind(session, listed, () => {});
      const turns = countTurns();
      const { instances } = await listing.read();
      expect(instances).toHaveLength(3_000);
      expect(session.steps).toEqual(steps);
      expect(turns()).toBeGreaterThan(4);
    },
  );

  test('costs one question for each name that comes or goes, however long it is', async () => {
    const session = new ScriptedSession();
    for (let i = 0; i < 1_000; i++) session.put(`/web/${nameOf(`i-${i}`, i)}`, NOTHING);
    let rang = 0;
    const listing = new TreeListing(session, listed, () => rang++);
    const { revision } = await listing.read();
    session.steps = [];
    session.put(`/web/${nameOf('new', 1_000)}`, NOTHING);
    session.drop(`/web/${nameOf('i-7', 7)}`);
    session.put(`/web/${nameOf('i-8', 8)}`, Buffer.from('other data, which nobody reads'));
    const list = await listing.read();
    expect(list.instances).toHaveLength(1_000);
    expect(idsOf(list)).toContain('new');
    expect(idsOf(list)).not.toContain('i-7');
    expect(list.revision).toBeGreaterThan(revision);
    expect(rang).toBe(2);
    expect(session.steps).toEqual([`exists /web/${nameOf('new', 1_000)}`, `exists /web/${nameOf('i-7', 7)}`]);
  });
});

test('an entry that says something about others is rejected only while it cannot be read', async () => {
  const session = new ScriptedSession();
  session.put('/web/member_0000000001', serverset.encode?.(instanceOf('a'), 0).data as Buffer);
  session.nodes.set('/web/vector_0000000002', 'NO_AUTH');
  const listing = new TreeListing(session, { service: SERVICE, path: '/web', format: serverset }, () => {});
  expect((await listing.read()).rejected).toMatchObject([{ entry: 'vector_0000000002' }]);
  session.put('/web/vector_0000000002', Buffer.from('{"vector":[{"select":"member=1","weight":0.5}]}'));
  const { instances, rejected } = await listing.read();
  expect(rejected).toEqual([]);
  expect(instances.map(({ weight }) => weight)).toEqual([0.5]);
});
