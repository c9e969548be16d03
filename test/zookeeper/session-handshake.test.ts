import { describe, expect, test } from 'vitest';
import type { ZkSecurity } from '../../registry/zookeeper/driver.js';
import { JuteReader } from '../../registry/zookeeper/wire/jute.js';
import { OP, XID } from '../../registry/zookeeper/wire/records.js';
import { OPEN } from '../helpers/zk.js';
import { drive, SESSION_MS, settled } from './driving.js';
import { type FakeConnection, FakeServer, handshakeReply, notification, turns } from './fake-server.js';

const LENGTH_OF_REPLY = handshakeReply({ sessionId: 1n, timeoutMs: SESSION_MS }).length;

/** The first connection gets this for an answer, every later one a session. */
function first(answer: (connection: FakeConnection) => void): (connection: FakeConnection) => void {
  return (connection) => {
    if (connection === connection.server.connections[0]) answer(connection);
    else connection.grant();
  };
}

describe('a session begins', () => {
  test('with what the server grants: its id, and its timeout rather than the one asked for', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) => connection.grant({ sessionId: 0xabcn, timeoutMs: 4_000 }),
    });
    await using session = drive([server]);
    expect([session.zk.id, session.zk.timeoutMs, session.zk.state]).toEqual([undefined, 6_000, 'connecting']);
    await session.until(() => session.zk.state === 'connected');
    expect([session.zk.id, session.zk.timeoutMs]).toEqual(['abc', 4_000]);
    expect(server.current.handshake).toMatchObject({ lastZxid: 0, timeoutMs: 6_000, sessionId: 0n });
    expect(server.current.handshake?.password).toEqual(Buffer.alloc(16));
  });

  test('when the answer comes one byte at a time', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) => void connection.drip(connection.granted()),
      onRequest: (connection, request) => connection.answer(request),
    });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    expect(server.connections.length).toBe(1);
  });

  test('when more than the answer is in the first bytes, and none of it is lost', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) =>
        connection.write(Buffer.concat([connection.granted(), notification(3, '/early')])),
    });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const node = settled(session.zk.get('/a'));
    await session.until(() => node.outcomes.length > 0);
    expect([node.outcomes, server.connections.length]).toEqual([['ok'], 1]);
  });

  test.each(Array.from({ length: LENGTH_OF_REPLY }, (_, bytes) => bytes))(
    'on the next connection when the first one ended after %d bytes of the answer',
    async (bytes) => {
      await using server = await FakeServer.start({
        onHandshake: first((connection) => connection.end(connection.granted().subarray(0, bytes))),
      });
      await using session = drive([server]);
      await session.until(() => session.zk.state === 'connected');
      expect(session.states).toEqual(['connected']);
      expect(server.connections.length).toBe(2);
    },
  );

  test.each<[string, (connection: FakeConnection) => void]>([
    ['a length of 1 GiB and more', (connection) => connection.write(Buffer.from([0x7f, 255, 255, 255]))],
    ['a negative length', (connection) => connection.write(Buffer.from([255, 255, 255, 255]))],
    [
      'an answer of 40 MiB',
      (connection) => connection.write(Buffer.from([2, 128, 0, 0, ...Buffer.alloc(16)])),
    ],
    ['an empty frame', (connection) => connection.write(Buffer.alloc(4))],
    ['an HTTP answer', (connection) => connection.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['a reset', (connection) => connection.destroy()],
    ['a read-only session', (connection) => connection.grant({ readOnly: true })],
  ])('on the next connection when the first answer is %s', async (_name, answer) => {
    await using server = await FakeServer.start({ onHandshake: first(answer) });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected', 1_000);
    expect(server.connections.length).toBe(2);
  });

  test('with the next server when the first one never answers, within its share of the timeout', async () => {
    await using mute = await FakeServer.start({ onHandshake: () => {} });
    await using server = await FakeServer.start();
    await using session = drive([mute, server]);
    await session.until(() => session.zk.state === 'connected');
    expect(session.clock.now()).toBeGreaterThanOrEqual(SESSION_MS / 3);
    expect(session.clock.now()).toBeLessThan(SESSION_MS / 3 + 200);
    expect(mute.open).toBe(0);
  });

  test('with each of many servers having its equal share', async () => {
    await using mute = await FakeServer.start({ onHandshake: () => {} });
    await using server = await FakeServer.start();
    await using session = drive([mute, mute, mute, mute, server]);
    await session.until(() => session.zk.state === 'connected');
    expect(session.clock.now()).toBeGreaterThanOrEqual((4 * SESSION_MS) / 5);
    expect(session.clock.now()).toBeLessThan((4 * SESSION_MS) / 5 + 400);
  });

  test('on the same server when it forgot the first attempt, long before the session is over', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const forgotten = server.connections.length;
    server.script = {
      onHandshake: (connection) => {
        if (connection !== server.connections[forgotten]) connection.grant();
      },
    };
    server.current.destroy();
    await session.until(() => session.states.length === 3, (2 * SESSION_MS) / 3);
    expect(session.states).toEqual(['connected', 'suspended', 'connected']);
  });

  test('from a server so old that its answer has no word about being read only', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) => {
        const whole = connection.granted();
        const old = Buffer.from(whole.subarray(0, -1));
        old.writeInt32BE(old.length - 4, 0);
        connection.write(old);
      },
    });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
  });
});

describe('while no server takes the session', () => {
  test('it says why, and says it once', async () => {
    const told: object[] = [];
    const logger = { debug() {}, info() {}, warn: (fields: object) => told.push(fields), error() {} };
    await using server = await FakeServer.start({
      onHandshake: (connection) => connection.grant({ readOnly: true }),
    });
    await using session = drive([server], { logger });
    await session.pass(5_000);
    const trouble = `the server is read only (${server.address})`;
    expect(server.connections.length).toBeGreaterThan(3);
    expect(session.zk.trouble).toBe(trouble);
    expect(told).toEqual([{ trouble }]);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
    expect(session.zk.trouble).toBeUndefined();
  });

  test('an outage that takes one form after another is told once in five seconds', async () => {
    const told: object[] = [];
    const logger = { debug() {}, info() {}, warn: (fields: object) => told.push(fields), error() {} };
    const readOnly = { onHandshake: (connection: FakeConnection) => connection.grant({ readOnly: true }) };
    const closing = { onHandshake: (connection: FakeConnection) => connection.end() };
    await using server = await FakeServer.start(readOnly);
    await using session = drive([server], { logger });
    for (let second = 0; second < 20; second++) {
      server.script = second % 2 === 0 ? readOnly : closing;
      await session.pass(1_000);
    }
    expect(told.length).toBeGreaterThan(1);
    expect(told.length).toBeLessThanOrEqual(4);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
  });

  test('operations are refused at once, and nothing of them is sent later', async () => {
    await using server = await FakeServer.start({ onHandshake: (connection) => connection.end() });
    await using session = drive([server]);
    const write = settled(session.zk.set('/a', Buffer.from('x'), -1));
    await turns(1);
    expect(write.outcomes).toEqual(['CONNECTION_LOSS']);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
    await session.pass(100);
    expect(server.current.requests).toEqual([]);
  });
});

describe('credentials', () => {
  const secured = (digest: () => Promise<string>): { security: ZkSecurity } => ({
    security: { ...OPEN, digest },
  });

  test('go out before anything else, on every connection, as they are then', async () => {
    const secrets = ['pilot:one', 'pilot:two'];
    await using server = await FakeServer.start();
    await using session = drive(
      [server],
      secured(async () => secrets.shift() as string),
    );
    for (const expected of ['pilot:one', 'pilot:two']) {
      await session.until(() => session.zk.state === 'connected');
      const node = settled(session.zk.get('/a'));
      await session.until(() => node.outcomes.length > 0);
      const [auth, get] = server.current.requests;
      expect([auth?.xid, auth?.operation, get?.operation]).toEqual([XID.auth, OP.auth, OP.getData]);
      const reader = new JuteReader(auth?.body as Buffer);
      expect([reader.int(), reader.text(), reader.text()]).toEqual([0, 'digest', expected]);
      server.current.destroy();
      await session.until(() => session.zk.state === 'suspended');
    }
    secrets.push('pilot:three');
  });

  test('that are refused end the session for good, and what was asked on it', async () => {
    await using server = await FakeServer.start({
      onRequest: (connection, request) => {
        if (request.operation === OP.auth) connection.answer(request, { error: -115 });
      },
    });
    await using session = drive(
      [server],
      secured(async () => 'pilot:wrong'),
    );
    await session.until(() => session.zk.state === 'connected' || session.zk.state === 'denied');
    await session.until(() => session.zk.state === 'denied');
    const late = settled(session.zk.get('/a'));
    await session.pass(60_000);
    expect(late.outcomes).toEqual(['SESSION_OVER']);
    expect(server.connections.length).toBe(1);
    expect(session.zk.trouble).toBe('zookeeper refused the credentials');
  });

  test('that cannot be read keep the session from connecting, and it connects once they can', async () => {
    let readable = false;
    await using server = await FakeServer.start();
    const digest = async (): Promise<string> => {
      if (!readable) throw new Error('no such file');
      return 'pilot:fish';
    };
    await using session = drive([server], secured(digest));
    await session.pass(2_000);
    expect([session.zk.state, server.connections.length]).toEqual(['connecting', 0]);
    expect(session.zk.trouble).toBe(`no such file (${server.address})`);
    readable = true;
    await session.until(() => session.zk.state === 'connected');
  });
});
