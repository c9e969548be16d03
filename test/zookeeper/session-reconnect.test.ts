import { describe, expect, test } from 'vitest';
import type { ZkAddress } from '../../registry/zookeeper/driver.js';
import { WireClient } from '../../registry/zookeeper/wire/client.js';
import { JuteReader } from '../../registry/zookeeper/wire/jute.js';
import { OP, XID } from '../../registry/zookeeper/wire/records.js';
import { seededRandom } from '../../runtime/random.js';
import { StallingClock } from '../helpers/stalling-clock.js';
import { zkOptions } from '../helpers/zk.js';
import { type Driven, drive, SESSION_MS, settled } from './driving.js';
import { type FakeConnection, FakeServer, notification, reply, turns } from './fake-server.js';

const PASSWORD = Buffer.from('0123456789abcdef');

async function ask(session: Driven, work: Promise<unknown>): Promise<string | undefined> {
  const result = settled(work);
  await session.until(() => result.outcomes.length > 0);
  return result.outcomes[0];
}

/** Breaks the connection, and waits for the next one. */
async function reconnected(session: Driven, connection: FakeConnection): Promise<void> {
  const { length } = session.states;
  connection.destroy();
  await session.until(() => session.states.length >= length + 2);
  expect(session.states.slice(length)).toEqual(['suspended', 'connected']);
}

describe('after the connection ended', () => {
  test('the session is resumed by its id and password, from where the replies were', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) => connection.grant({ password: PASSWORD }),
      onRequest(connection, request) {
        if (request.operation === OP.ping) connection.write(reply({ xid: XID.ping, zxid: 90, error: 0 }));
        else {
          connection.write(notification(3, '/elsewhere', 80));
          connection.answer(request, { zxid: 41, error: request.operation === OP.getAcl ? -101 : 0 });
        }
      },
    });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const { id } = session.zk;
    await ask(session, session.zk.get('/a'));
    await session.pass(SESSION_MS);
    await reconnected(session, server.current);
    expect(server.current.handshake).toEqual({
      lastZxid: 41,
      timeoutMs: SESSION_MS,
      sessionId: server.lastSession,
      password: PASSWORD,
    });
    expect([session.zk.id, session.states]).toEqual([id, ['connected', 'suspended', 'connected']]);
  });

  test('a session that the server does not know any more is over', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    server.script = { onHandshake: (connection) => connection.grant({ timeoutMs: 0 }) };
    server.current.destroy();
    await session.until(() => session.zk.state === 'expired');
    expect(session.zk.trouble).toBe('the session is expired');
    await session.pass(60_000);
    expect(server.connections.length).toBe(2);
  });

  test('it says why from the first moment, then what became of the attempts, and nothing once it is resumed', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    const told: (string | undefined)[] = [];
    session.zk.onState(() => told.push(session.zk.trouble));
    await session.until(() => session.zk.state === 'connected');
    server.script = { onHandshake: (connection) => connection.end() };
    server.current.destroy();
    await session.until(() => session.zk.trouble?.includes(server.address) === true);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
    expect(told).toEqual([undefined, expect.stringMatching(/ECONNRESET|closed the connection/), undefined]);
    expect(session.zk.trouble).toBeUndefined();
    await session[Symbol.asyncDispose]();
    expect([session.zk.state, session.zk.trouble]).toEqual(['closed', undefined]);
  });

  test('another session is not taken for it', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const { id } = session.zk;
    server.script = { onHandshake: (connection) => connection.grant({ sessionId: 0x666n }) };
    server.current.destroy();
    await session.pass(1_000);
    expect([session.zk.state, session.zk.id]).toEqual(['suspended', id]);
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
  });

  test('the server is told of all watches before anything else, in requests below its limit', async () => {
    await using server = await FakeServer.start({
      onRequest: (connection, request) => connection.answer(request, { zxid: 7 }),
    });
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const paths = Array.from({ length: 6_000 }, (_, i) => `/${i}`.padEnd(215, 'x'));
    const armed = settled(Promise.all(paths.map((path) => session.zk.get(path, () => {}))));
    await session.until(() => armed.outcomes.length > 0);
    await reconnected(session, server.current);
    await ask(session, session.zk.get('/after'));
    const packets = server.current.requests.slice(0, -1);
    expect(packets.length).toBeGreaterThan(1);
    const told = packets.flatMap(({ xid, operation, body }) => {
      expect([xid, operation, body.length < 2 ** 20 - 1]).toEqual([XID.setWatches, OP.setWatches, true]);
      const reader = new JuteReader(body);
      expect(reader.long()).toBe(7);
      return reader.list(() => reader.text());
    });
    expect(told.toSorted()).toEqual(paths.toSorted());
    expect(session.zk.load.watches).toBe(6_000);
  });

  test('watches that stay are told with their mode, and fire on the new connection', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const events: string[] = [];
    const removers = [
      await watched(session, '/node', 'persistent', (path) => events.push(`persistent ${path}`)),
      await watched(session, '/tree', 'recursive', (path) => events.push(`recursive ${path}`)),
    ];
    await reconnected(session, server.current);
    await session.pass(100);
    const [request] = server.current.requests;
    expect([request?.operation, listsOf(request?.body as Buffer)]).toEqual([
      OP.setWatches2,
      [[], [], [], ['/node'], ['/tree']],
    ]);
    server.current.write(notification(3, '/node'));
    server.current.write(notification(1, '/tree/child'));
    await session.until(() => events.length === 2);
    expect(events).toEqual(['persistent /node', 'recursive /tree/child']);
    for (const remove of removers) await ask(session, remove());
    expect(session.zk.load.watches).toBe(0);
  });

  test('watches that the server refuses end the connection, and are tried with the next', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    await ask(
      session,
      session.zk.get('/a', () => {}),
    );
    let refusals = 2;
    server.script = {
      onRequest: (connection, request) =>
        connection.answer(request, {
          error: request.operation === OP.setWatches && --refusals >= 0 ? -1 : 0,
        }),
    };
    server.current.destroy();
    await session.until(() => refusals === -1);
    await session.pass(2_000);
    expect([session.zk.state, server.open, server.connections.length]).toEqual(['connected', 1, 4]);
  });

  function listsOf(body: Buffer): string[][] {
    const reader = new JuteReader(body);
    reader.long();
    return Array.from({ length: 5 }, () => reader.list(() => reader.text()));
  }

  async function watched(
    session: Driven,
    path: string,
    mode: 'persistent' | 'recursive',
    onPath: (path: string) => void,
  ): Promise<() => Promise<void>> {
    const result = settled(session.zk.addWatch(path, mode, (event) => onPath(event.path)));
    await session.until(() => result.outcomes.length > 0);
    return result.values[0] as () => Promise<void>;
  }
});

describe('the pace of attempts', () => {
  /** The virtual times of all connections to servers that hang up at once. */
  async function attempts(servers: number, options: Parameters<typeof drive>[1], forMs: number) {
    const times: number[] = [];
    const onConnect = (connection: FakeConnection): void => {
      times.push(session.clock.now());
      connection.destroy();
    };
    const started = await Promise.all(Array.from({ length: servers }, () => FakeServer.start({ onConnect })));
    const session = drive(started, options);
    await session.pass(forMs);
    await session[Symbol.asyncDispose]();
    for (const server of started) await server.close();
    return times;
  }

  const gaps = (times: readonly number[]): number[] =>
    times.slice(1).map((time, i) => time - (times[i] ?? 0));
  const longestWaits = { next: () => 2 ** 32 - 1 };

  test('every server is tried once before any wait', async () => {
    const times = await attempts(5, { random: longestWaits }, 250);
    expect(times.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(times.length).toBe(10);
    expect(times[5]).toBeGreaterThan(90);
  });

  test.each([
    [6_000, 3_000],
    [60_000, 15_000],
  ])('waits grow up to half of a timeout of %d ms, but to 15 s at most: %d', async (timeoutMs, capMs) => {
    const waits = gaps(await attempts(1, { timeoutMs, random: longestWaits }, 80_000)).map((gap) =>
      Math.round(gap),
    );
    expect(waits.slice(0, 5)).toEqual([100, 200, 400, 800, 1_600]);
    expect(Math.max(...waits)).toBe(capMs);
    expect(waits.at(-1)).toBe(capMs);
  });

  test('waits are spread over all of their range (T27)', async () => {
    const waits = gaps(await attempts(1, { random: seededRandom(5) }, 120_000)).slice(6);
    expect(waits.length).toBeGreaterThan(30);
    expect(Math.min(...waits)).toBeLessThan(600);
    expect(Math.max(...waits)).toBeGreaterThan(2_400);
  });

  test('a server that takes the session and hangs up is not run at', async () => {
    await using server = await FakeServer.start({
      onHandshake: (connection) => connection.end(connection.granted()),
    });
    await using session = drive([server], { random: longestWaits });
    await session.pass(10_000);
    expect(server.connections.length).toBeLessThan(10);
    expect(server.connections.length).toBeGreaterThan(4);
  });

  test('a connection that lasted is replaced at once', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server], { random: longestWaits });
    await session.until(() => session.zk.state === 'connected');
    await session.pass(2_000);
    const brokenAt = session.clock.now();
    await reconnected(session, server.current);
    expect(session.clock.now() - brokenAt).toBeLessThan(100);
  });
});

describe('names', () => {
  const addressOf = (server: FakeServer): ZkAddress => ({
    host: '127.0.0.1',
    port: Number(server.address.split(':')[1]),
    name: 'zk',
  });

  test('are resolved anew, and the session follows its ensemble', async () => {
    await using before = await FakeServer.start();
    await using after = await FakeServer.start();
    await using session = drive([before], { refresh: async () => [addressOf(after)] });
    await session.until(() => session.zk.state === 'connected');
    await reconnected(session, before.current);
    expect([before.connections.length, after.connections.length]).toEqual([1, 1]);
  });

  test.each([
    ['fails', () => Promise.reject(new Error('no name service'))],
    ['never answers', () => new Promise<never>(() => {})],
  ])('that a name service which %s does not resolve keep their addresses', async (_name, refresh) => {
    await using server = await FakeServer.start();
    await using session = drive([server], { refresh });
    await session.until(() => session.zk.state === 'connected');
    await session.pass(2_000);
    const brokenAt = session.clock.now();
    await reconnected(session, server.current);
    expect(session.clock.now() - brokenAt).toBeLessThanOrEqual(SESSION_MS / 10 + 100);
  });

  test('that come late do not hold up the end', async () => {
    await using server = await FakeServer.start();
    const session = drive([server], { refresh: () => new Promise(() => {}) });
    await session.until(() => session.zk.state === 'connected');
    server.current.destroy();
    await session.until(() => session.zk.state === 'suspended');
    await session[Symbol.asyncDispose]();
  });
});

describe('servers that refuse the session', () => {
  const refusing = (connection: FakeConnection): void => connection.destroy();
  const refusingOld = (connection: FakeConnection): void => {
    if (connection.handshake?.sessionId === 0n) connection.grant();
    else connection.destroy();
  };

  test('but give new ones away have lost it: it is over after its timeout, not before, and loudly', async () => {
    const errors: string[] = [];
    const logger = {
      debug() {},
      info() {},
      warn() {},
      error: (_: object, text: string) => errors.push(text),
    };
    await using server = await FakeServer.start();
    await using session = drive([server], { logger });
    await session.until(() => session.zk.state === 'connected');
    server.script = { onHandshake: refusingOld };
    server.current.destroy();
    await session.pass(SESSION_MS - 200);
    expect([session.zk.state, errors]).toEqual(['suspended', []]);
    await session.until(() => session.zk.state === 'expired', SESSION_MS);
    expect(errors).toEqual(['zookeeper serves, but refuses our session: its data was wiped or restored']);
  });

  test('and give nothing away merely lack a quorum: it lives on, however long that takes', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const { id } = session.zk;
    server.script = { onHandshake: refusing };
    server.current.destroy();
    await session.pass(10 * SESSION_MS);
    expect(session.zk.state).toBe('suspended');
    server.script = {};
    await session.until(() => session.zk.state === 'connected');
    expect(session.zk.id).toBe(id);
  });

  test('until the very moment in which they have a quorum again: it lives on', async () => {
    await using server = await FakeServer.start();
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const { id } = session.zk;
    // The first who asks for a new session is the one who doubts; from then on everybody is served.
    server.script = {
      onHandshake(connection) {
        if (connection.handshake?.sessionId !== 0n) return connection.destroy();
        server.script = {};
        connection.grant();
      },
    };
    server.current.destroy();
    await session.until(() => session.zk.state === 'connected');
    expect([session.zk.id, session.states]).toEqual([id, ['connected', 'suspended', 'connected']]);
  });
});

describe('a process that stood still', () => {
  async function stopped(server: FakeServer, meanwhile: () => void) {
    const clock = new StallingClock();
    const zk = new WireClient({ ...zkOptions(server.address, { timeoutMs: SESSION_MS }), clock });
    const states: string[] = [];
    zk.onState((state) => states.push(state));
    await turns(30);
    expect(states).toEqual(['connected']);
    clock.stall(60_000);
    meanwhile();
    return { clock, zk, states };
  }

  async function pass(clock: StallingClock, ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await clock.timers.advance(50);
      await turns(12);
    }
  }

  test('believes nothing until the server has answered', async () => {
    let answer = (): void => {};
    await using server = await FakeServer.start({
      onRequest(connection, request) {
        answer = () => connection.answer(request);
      },
    });
    const { clock, zk, states } = await stopped(server, () => {});
    await pass(clock, SESSION_MS / 3);
    expect([zk.state, server.current.requests.map(({ operation }) => operation)]).toEqual([
      'suspended',
      [OP.ping],
    ]);
    expect(zk.trouble).toMatch(/stood still/);
    const meanwhile = settled(zk.get('/a'));
    await turns(2);
    expect(meanwhile.outcomes).toEqual(['CONNECTION_LOSS']);
    answer();
    await turns(12);
    expect(states).toEqual(['connected', 'suspended', 'connected']);
    expect(zk.trouble).toBeUndefined();
    server.script = {};
    await zk.close();
    expect([clock.timers.pending, server.connections.length]).toEqual([0, 1]);
  });

  test('believes no bytes that came while it stood still', async () => {
    await using server = await FakeServer.start({ onRequest: () => {} });
    const { clock, zk, states } = await stopped(server, () => server.current.write(notification(3, '/a')));
    await turns(12);
    expect(states).toEqual(['connected', 'suspended']);
    server.script = {};
    server.current.answer({ xid: XID.ping, operation: OP.ping, body: Buffer.alloc(0) });
    await turns(12);
    expect(zk.state).toBe('connected');
    await zk.close();
    expect(clock.timers.pending).toBe(0);
  });

  test('learns at once that its session is expired when the server has hung up', async () => {
    await using server = await FakeServer.start();
    const { clock, zk, states } = await stopped(server, () => {
      server.script = { onHandshake: (connection) => connection.grant({ timeoutMs: 0 }) };
      server.current.end();
    });
    await pass(clock, 1_000);
    expect(states).toEqual(['connected', 'suspended', 'expired']);
    await zk.close();
    expect(clock.timers.pending).toBe(0);
  });
});
