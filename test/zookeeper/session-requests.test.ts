import { setMaxListeners } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { ZkError, type ZkErrorCode } from '../../registry/zookeeper/driver.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { LONGEST_ANSWER_MS } from '../../registry/zookeeper/wire/heartbeat.js';
import { nextXid, OP, XID } from '../../registry/zookeeper/wire/records.js';
import { MAX_REQUEST_BYTES } from '../../registry/zookeeper/wire/requests.js';
import { type Driven, drive, SESSION_MS, settled } from './driving.js';
import {
  answerTo,
  type FakeConnection,
  type FakeRequest,
  FakeServer,
  notification,
  reply,
  turns,
} from './fake-server.js';

/** A connected session; the script is for what comes after. */
async function connected(server: FakeServer): Promise<Driven> {
  const session = drive([server]);
  await session.until(() => session.zk.state === 'connected');
  return session;
}

const isRead = ({ operation }: FakeRequest): boolean => operation === OP.getData;

/** Answers everything but reads in the ordinary way. */
function onRead(answer: (connection: FakeConnection, request: FakeRequest) => void) {
  return {
    onRequest: (connection: FakeConnection, request: FakeRequest) =>
      isRead(request) ? answer(connection, request) : connection.answer(request),
  };
}

const LENGTH_OF_REPLY = answerTo({
  xid: 1,
  operation: OP.getData,
  body: Buffer.from([0, 0, 0, 2, 0x2f, 0x61]),
}).length;

describe('a request settles once', () => {
  test('by its reply, whichever way the reply is sliced', async () => {
    await using server = await FakeServer.start(
      onRead((connection, request) => void connection.drip(answerTo(request))),
    );
    await using session = await connected(server);
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect(node.values).toMatchObject([{ data: Buffer.from('data of /a'), stat: { version: 0 } }]);
  });

  test.each(Array.from({ length: LENGTH_OF_REPLY }, (_, bytes) => bytes))(
    'as lost, its outcome unknown, when the connection ends after %d bytes of the reply',
    async (bytes) => {
      await using server = await FakeServer.start(
        onRead((connection, request) => connection.end(answerTo(request).subarray(0, bytes))),
      );
      await using session = await connected(server);
      const node = settled(session.zk.get('/a'));
      await session.until(() => node.outcomes.length > 0);
      expect(node.outcomes).toEqual(['CONNECTION_LOSS']);
      expect(node.errors[0]?.message).toMatch(/^zookeeper get \/a: .*; whether it took effect is unknown$/);
      await session.until(() => session.zk.state === 'connected');
      expect(session.states).toEqual(['connected', 'suspended', 'connected']);
    },
  );

  test.each<[string, (request: FakeRequest) => Buffer]>([
    ['with a number that was never given', (request) => answerTo(request, { xid: 77 })],
    ['with a number that nobody waits for', () => reply({ xid: 0, zxid: 1, error: 0 })],
    ['without a body', (request) => reply({ xid: request.xid, zxid: 1, error: 0 })],
    [
      'with half a body',
      (request) => reply({ xid: request.xid, zxid: 1, error: 0 }, (body) => body.int(9).int(1)),
    ],
    ['of three bytes', () => Buffer.from([0, 0, 0, 3, 1, 2, 3])],
    ['of a length beyond reason', () => Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['of a negative length', () => Buffer.from([0xff, 0xff, 0xff, 0xfe])],
    [
      'that is an event without a path',
      () => reply({ xid: XID.notification, zxid: 1, error: 0 }, (b) => b.int(1)),
    ],
    ['that refuses watches nobody set', () => reply({ xid: XID.setWatches, zxid: 1, error: -8 })],
  ])('as lost by a reply %s, which ends that connection and no more', async (_name, answer) => {
    await using server = await FakeServer.start(
      onRead((connection, request) => connection.write(answer(request))),
    );
    await using session = await connected(server);
    const both = [settled(session.zk.get('/a')), settled(session.zk.get('/b'))];
    await session.until(() => both.every(({ outcomes }) => outcomes.length > 0));
    expect(both.map(({ outcomes }) => outcomes)).toEqual([['CONNECTION_LOSS'], ['CONNECTION_LOSS']]);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
    const again = settled(session.zk.get('/a'));
    await session.until(() => again.outcomes.length > 0);
    expect(again.outcomes).toEqual(['ok']);
    expect(server.connections.length).toBe(2);
  });

  test.each<[string, Buffer]>([
    ['of an unknown type', notification(99, '/a')],
    ['about the session', notification(-1, '')],
    ['about a path nobody watches', notification(3, '/nobody')],
  ])('undisturbed by an event %s', async (_name, event) => {
    await using server = await FakeServer.start(
      onRead((connection, request) => connection.write(Buffer.concat([event, answerTo(request)]))),
    );
    await using session = await connected(server);
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect([node.outcomes, server.connections.length]).toEqual([['ok'], 1]);
  });

  test('as lost when replies change places', async () => {
    const held: FakeRequest[] = [];
    await using server = await FakeServer.start(
      onRead((connection, request) => {
        held.unshift(request);
        if (held.length === 3) for (const each of held) connection.answer(each);
      }),
    );
    await using session = await connected(server);
    const reads = ['/a', '/b', '/c'].map((path) => settled(session.zk.get(path)));
    await session.until(() => reads.every(({ outcomes }) => outcomes.length > 0));
    expect(reads.map(({ outcomes }) => outcomes)).toEqual(Array(3).fill(['CONNECTION_LOSS']));
  });

  test.each([0, 1, 4])('as lost from the one on whose reply, number %d, never came', async (dropped) => {
    let asked = 0;
    await using server = await FakeServer.start(
      onRead((connection, request) => {
        if (asked++ !== dropped) connection.answer(request);
      }),
    );
    await using session = await connected(server);
    const reads = Array.from({ length: 6 }, (_, i) => settled(session.zk.get(`/${i}`)));
    await session.until(() => reads.every(({ outcomes }) => outcomes.length > 0));
    expect(reads.map(({ outcomes }) => outcomes)).toEqual(
      reads.map((_, i) => [i < dropped ? 'ok' : 'CONNECTION_LOSS']),
    );
  });

  test('as lost after two thirds of the timeout when the server falls silent', async () => {
    await using server = await FakeServer.start({ onRequest: () => {} });
    await using session = await connected(server);
    const startedAt = session.clock.now();
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect(node.outcomes).toEqual(['CONNECTION_LOSS']);
    const tookMs = session.clock.now() - startedAt;
    expect(tookMs).toBeGreaterThan((2 * SESSION_MS) / 3 - 100);
    expect(tookMs).toBeLessThan((2 * SESSION_MS) / 3 + 100);
  });

  test('as lost when the server answers pings, and nothing else (T21)', async () => {
    await using server = await FakeServer.start({
      onRequest: (connection, request) => {
        if (request.operation === OP.ping) connection.answer(request);
      },
    });
    await using session = await connected(server);
    const startedAt = session.clock.now();
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect(node.outcomes).toEqual(['CONNECTION_LOSS']);
    expect(session.clock.now() - startedAt).toBeLessThanOrEqual(LONGEST_ANSWER_MS + 100);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
  });

  test('when the session is closed, and later ones with it', async () => {
    await using server = await FakeServer.start({ onRequest: () => {} });
    await using session = await connected(server);
    const before = settled(session.zk.get('/a'));
    let closed = false;
    void session.zk.close().then(() => {
      closed = true;
    });
    await session.until(() => closed);
    const after = settled(session.zk.get('/b'));
    await turns(2);
    expect([before.outcomes, after.outcomes]).toEqual([['SESSION_OVER'], ['SESSION_OVER']]);
    expect(session.zk.state).toBe('closed');
  });

  test('when the session is expired', async () => {
    await using server = await FakeServer.start(onRead((connection) => connection.destroy()));
    await using session = await connected(server);
    server.script = { ...server.script, onHandshake: (connection) => connection.grant({ timeoutMs: 0 }) };
    const lost = settled(session.zk.get('/a'));
    await session.until(() => session.zk.state === 'expired');
    const late = settled(session.zk.get('/b'));
    await session.pass(20_000);
    expect([lost.outcomes, late.outcomes]).toEqual([['CONNECTION_LOSS'], ['SESSION_OVER']]);
    expect(server.connections.length).toBe(2);
  });
});

describe('whoever asked may give up', () => {
  test('and is told the reason at once, while the reply is left to come', async () => {
    const held: (() => void)[] = [];
    await using server = await FakeServer.start(
      onRead((connection, request) => void held.push(() => connection.answer(request))),
    );
    await using session = await connected(server);
    const abort = new AbortController();
    const given = settled(session.zk.get('/a', undefined, { signal: abort.signal }));
    const kept = settled(session.zk.get('/b'));
    await session.until(() => held.length === 2);
    abort.abort(new Error('enough'));
    await turns(2);
    expect([given.outcomes, kept.outcomes, session.zk.load.pending]).toEqual([['enough'], [], 2]);
    for (const answer of held) answer();
    await session.until(() => kept.outcomes.length > 0);
    expect([given.outcomes, kept.outcomes, session.zk.load.pending]).toEqual([['enough'], ['ok'], 0]);
    expect(session.states).toEqual(['connected']);
  });

  test('before it was sent, and then it is not', async () => {
    await using server = await FakeServer.start();
    await using session = await connected(server);
    const asked = operations(session.zk, AbortSignal.abort(new Error('never mind'))).map(settled);
    await session.pass(100);
    expect(asked.map(({ outcomes }) => outcomes)).toEqual(asked.map(() => ['never mind']));
    expect(server.current.requests).toEqual([]);
  });

  test('in every operation', async () => {
    await using server = await FakeServer.start({ onRequest: () => {} });
    await using session = await connected(server);
    const abort = new AbortController();
    setMaxListeners(0, abort.signal);
    const asked = operations(session.zk, abort.signal).map(settled);
    abort.abort(new Error('enough'));
    await turns(2);
    expect(asked.map(({ outcomes }) => outcomes)).toEqual(asked.map(() => ['enough']));
    server.script = {};
  });

  test('and a watch that was asked for with it is not kept', async () => {
    const held: (() => void)[] = [];
    await using server = await FakeServer.start(
      onRead((connection, request) => void held.push(() => connection.answer(request))),
    );
    await using session = await connected(server);
    const abort = new AbortController();
    const onChange = vi.fn();
    settled(session.zk.get('/a', onChange, { signal: abort.signal }));
    await session.until(() => held.length === 1);
    abort.abort(new Error('enough'));
    held[0]?.();
    await session.pass(20);
    server.current.write(notification(3, '/a'));
    await session.pass(20);
    expect(session.zk.load).toEqual({ watches: 0, pending: 0 });
    expect(onChange).not.toHaveBeenCalled();
  });

  function operations(zk: WireClient, signal: AbortSignal): Promise<unknown>[] {
    const data = Buffer.from('x');
    return [
      zk.create('/a', data, 'persistent', { signal }),
      zk.delete('/a', -1, { signal }),
      zk.set('/a', data, -1, { signal }),
      zk.get('/a', undefined, { signal }),
      zk.exists('/a', undefined, { signal }),
      zk.children('/a', undefined, { signal }),
      zk.sync('/a', { signal }),
      zk.getAcl('/a', { signal }),
      zk.setAcl('/a', [], -1, { signal }),
      zk.multi([{ type: 'check', path: '/a', version: 0 }], { signal }),
      zk.replace('/a', data, 0, { signal }),
      zk.getMany(['/a'], { signal }),
      zk.addWatch('/a', 'recursive', () => {}, { signal }),
    ];
  }
});

describe('errors', () => {
  test.each<[number, ZkErrorCode]>([
    [-101, 'NO_NODE'],
    [-102, 'NO_AUTH'],
    [-103, 'BAD_VERSION'],
    [-108, 'BAD_ARGUMENTS'],
    [-110, 'NODE_EXISTS'],
    [-111, 'NOT_EMPTY'],
    [-112, 'SESSION_OVER'],
    [-6, 'UNIMPLEMENTED'],
    [-4, 'CONNECTION_LOSS'],
    [-118, 'CONNECTION_LOSS'],
    [-119, 'READ_ONLY'],
    [-121, 'NO_WATCHER'],
    [-125, 'QUOTA_EXCEEDED'],
    [-127, 'THROTTLED'],
    [-1, 'OTHER'],
    [-12_345, 'OTHER'],
    [7, 'OTHER'],
  ])('%d of the server is %s, and the session goes on', async (error, code) => {
    await using server = await FakeServer.start(
      onRead((connection, request) => connection.answer(request, { error })),
    );
    await using session = await connected(server);
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect(node.errors[0]).toBeInstanceOf(ZkError);
    expect([node.outcomes, session.states]).toEqual([[code], ['connected']]);
  });

  test('name the operation and the path, and never the data', async () => {
    await using server = await FakeServer.start({
      onRequest: (connection, request) => connection.answer(request, { error: -103 }),
    });
    await using session = await connected(server);
    const write = settled(session.zk.set('/a', Buffer.from('secret'), 7));
    await session.until(() => write.outcomes.length > 0);
    expect(write.errors[0]?.message).toBe('zookeeper set /a: BAD_VERSION (-103)');
  });

  test.each(['addWatch', 'multiRead'])(
    'an old server does not know %s, and the client remembers it',
    async (name) => {
      await using server = await FakeServer.start({
        onRequest: (connection, request) => connection.answer(request, { error: -6 }),
      });
      await using session = await connected(server);
      expect(session.zk.readsTrees).toBe(true);
      const asked = settled(
        name === 'addWatch' ? session.zk.watchTree('/a', () => {}) : session.zk.getMany(['/a']),
      );
      await session.until(() => asked.outcomes.length > 0);
      expect([asked.outcomes, session.zk.readsTrees, session.zk.load.watches]).toEqual([
        ['UNIMPLEMENTED'],
        false,
        0,
      ]);
    },
  );
});

test('until one was answered, requests that an old server would hang up on are sent one at a time', async () => {
  const held: (() => void)[] = [];
  const isModern = ({ operation }: FakeRequest): boolean =>
    operation === OP.addWatch || operation === OP.multiRead;
  await using server = await FakeServer.start({
    onRequest: (connection, request) =>
      isModern(request) ? void held.push(() => connection.answer(request)) : connection.answer(request),
  });
  await using session = await connected(server);
  const asked = ['/a', '/b', '/c'].map((path) => settled(session.zk.watchTree(path, () => {})));
  await session.pass(100);
  expect(held.length).toBe(1);
  held[0]?.();
  await session.until(() => held.length === 3);
  for (const answer of held.slice(1)) answer();
  await session.until(() => asked.every(({ outcomes }) => outcomes.length > 0));
  expect(asked.map(({ outcomes }) => outcomes)).toEqual([['ok'], ['ok'], ['ok']]);
  server.script = {};
});

describe('sizes', () => {
  test('a request above the limit of servers is refused here, and sends nothing', async () => {
    await using server = await FakeServer.start();
    await using session = await connected(server);
    const around = 4 + 4 + 4 + '/a'.length + 4 + 4;
    const largest = settled(session.zk.set('/a', Buffer.alloc(MAX_REQUEST_BYTES - around), 0));
    const larger = settled(session.zk.set('/a', Buffer.alloc(MAX_REQUEST_BYTES - around + 1), 0));
    await session.until(() => largest.outcomes.length > 0);
    expect([largest.outcomes, larger.outcomes]).toEqual([['ok'], ['TOO_LARGE']]);
    expect(larger.errors[0]?.message).toContain('expected a request of at most 1048575 bytes, got 1048576');
    expect([server.current.requests.length, session.states]).toEqual([1, ['connected']]);
  });

  test('a reply that is too large fails alone, and the connection goes on', async () => {
    const bytes = 33 * 2 ** 20;
    await using server = await FakeServer.start(
      onRead((connection, request) => {
        if (request.xid > 1) return connection.answer(request);
        connection.write(reply({ xid: 1, zxid: 1, error: 0 }, (body) => body.bytes(Buffer.alloc(bytes))));
      }),
    );
    await using session = await connected(server);
    const [large, small] = [settled(session.zk.get('/large')), settled(session.zk.get('/small'))];
    await session.until(() => small.outcomes.length > 0);
    expect([large.outcomes, small.outcomes, session.states]).toEqual([['TOO_LARGE'], ['ok'], ['connected']]);
  });
});

test('request numbers go round, and never become zero or negative', () => {
  expect([nextXid(0), nextXid(41), nextXid(2 ** 31 - 2), nextXid(2 ** 31 - 1)]).toEqual([
    1,
    42,
    2 ** 31 - 1,
    1,
  ]);
});
