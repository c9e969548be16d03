/** Servers that send anything, and owners that close at any time: whatever happens, it ends well. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drive, SESSION_MS, type Settled, settled } from './driving.js';
import {
  answerTo,
  type FakeConnection,
  type FakeRequest,
  FakeServer,
  notification,
  turns,
} from './fake-server.js';

const bytes = fc.uint8Array({ maxLength: 120 }).map((array) => Buffer.from(array));
/** Bytes that begin like a frame get further in than those that do not. */
const framed = bytes.map((body) => {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeInt32BE(body.length, 0);
  frame.set(body, 4);
  return frame;
});
/** Frames with the header of a reply or an event get furthest. */
const answered = fc
  .tuple(fc.constantFrom(-1, -2, -4, -8, 1, 2, 3), fc.constantFrom(0, -101, 5), bytes)
  .map(([xid, error, body]) => {
    const frame = Buffer.alloc(20 + body.length);
    frame.writeInt32BE(16 + body.length, 0);
    frame.writeInt32BE(xid, 4);
    frame.writeInt32BE(error, 16);
    frame.set(body, 20);
    return frame;
  });
const garbage = fc.array(fc.oneof(bytes, framed, answered), { minLength: 1, maxLength: 4 });

test('random bytes instead of replies settle every request once, and leave nothing behind', async () => {
  let answers: readonly Buffer[] = [];
  await using server = await FakeServer.start({
    onRequest(connection) {
      const [next, ...rest] = answers;
      answers = rest;
      if (next === undefined) connection.end();
      else connection.write(next);
    },
  });
  const run = fc.asyncProperty(garbage, async (chunks) => {
    answers = chunks;
    await using session = drive([server]);
    await session.until(() => session.zk.state === 'connected');
    const asked = [
      session.zk.get('/a', () => {}),
      session.zk.children('/a', () => {}),
      session.zk.exists('/a'),
      session.zk.getMany(['/a', '/b']),
      session.zk.multi([{ type: 'check', path: '/a', version: 0 }]),
      session.zk.getAcl('/a'),
    ].map(settled);
    await session.until(() => asked.every(({ outcomes }) => outcomes.length > 0));
    await turns(2);
    expect(asked.map(({ outcomes }) => outcomes.length)).toEqual(asked.map(() => 1));
  });
  await fc.assert(run, { seed: 6, numRuns: 1_000 });
}, 120_000);

test('random bytes instead of a handshake are a failed attempt, and the next one counts', async () => {
  let answer = Buffer.alloc(0);
  const hostile = (connection: FakeConnection): void => {
    server.script = {};
    connection.end(answer);
  };
  await using server = await FakeServer.start();
  const run = fc.asyncProperty(fc.oneof(bytes, framed), async (chunk) => {
    answer = chunk;
    server.script = { onHandshake: hostile };
    await using session = drive([server]);
    // Some bytes are a handshake: of a session that is expired, read only, or lasts a moment.
    const isSettled = (): boolean => session.zk.state === 'expired' || session.zk.state === 'connected';
    await session.until(isSettled);
  });
  await fc.assert(run, { seed: 7, numRuns: 500 });
}, 120_000);

type Step =
  | { readonly do: 'ask' | 'watch' | 'drop' | 'event' | 'mute' | 'speak' | 'refuse' }
  | { readonly do: 'pass'; readonly ms: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.constantFrom<Step>(
      { do: 'ask' },
      { do: 'watch' },
      { do: 'drop' },
      { do: 'event' },
      { do: 'mute' },
      { do: 'speak' },
      { do: 'refuse' },
    ),
    fc.integer({ min: 1, max: SESSION_MS }).map((ms): Step => ({ do: 'pass', ms })),
  ),
  { maxLength: 12 },
);

test('closing after any events ends everything: requests, timers, connections', async () => {
  await using server = await FakeServer.start();
  const asked: Settled[] = [];
  const perform = async (session: ReturnType<typeof drive>, step: Step): Promise<void> => {
    if (step.do === 'pass') await session.pass(step.ms);
    if (step.do === 'ask') asked.push(settled(session.zk.get('/a', () => {})));
    if (step.do === 'watch') asked.push(settled(session.zk.watchTree('/a', () => {})));
    if (step.do === 'drop') server.connections.at(-1)?.destroy();
    if (step.do === 'event') server.connections.at(-1)?.write(notification(3, '/a'));
    if (step.do === 'mute') server.script = { onRequest: () => {} };
    if (step.do === 'speak') server.script = {};
    if (step.do === 'refuse') server.script = { onHandshake: (connection) => connection.end() };
  };
  const run = fc.asyncProperty(steps, fc.nat(15), async (script, turnsBefore) => {
    server.script = {};
    asked.length = 0;
    {
      await using session = drive([server]);
      for (const step of script) await perform(session, step);
      await turns(turnsBefore);
    }
    await turns(2);
    expect(asked.map(({ outcomes }) => outcomes.length)).toEqual(asked.map(() => 1));
  });
  await fc.assert(run, { seed: 8, numRuns: 150 });
}, 120_000);

test('every moment of a handshake and a request is a good one to close', async () => {
  for (let moment = 0; moment < 40; moment++) {
    await using server = await FakeServer.start();
    const session = drive([server]);
    const asked: Settled[] = [];
    session.zk.onState((state) => {
      if (state === 'connected') asked.push(settled(session.zk.get('/a')));
    });
    await turns(moment);
    await session[Symbol.asyncDispose]();
    await turns(2);
    expect(asked.every(({ outcomes }) => outcomes.length === 1)).toBe(true);
  }
});

test('a server that answers a byte at a time, for ever, is left', async () => {
  const drip = async (connection: FakeConnection, request: FakeRequest): Promise<void> => {
    // The beginning of a frame of 1 MiB, of which a byte comes with every turn of its sender.
    connection.write(Buffer.from([0, 16, 0, 0]));
    while (!connection.closed) await connection.drip(answerTo(request).subarray(0, 1));
  };
  await using server = await FakeServer.start({
    onRequest: (connection, request) => void drip(connection, request),
  });
  await using session = drive([server]);
  await session.until(() => session.zk.state === 'connected');
  const asked = settled(session.zk.get('/a'));
  await session.until(() => asked.outcomes.length > 0);
  expect(asked.outcomes).toEqual(['CONNECTION_LOSS']);
  expect(session.clock.now()).toBeLessThan(20_000);
}, 60_000);
