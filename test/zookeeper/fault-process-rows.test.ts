/** Rows 2, 3, 28 and 33 of the fault matrix: what happens to the processes, and to the entry itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { eventually } from '../end-to-end/world.js';
import { fourLetterWord, type RunningServer, startServer } from '../servers/index.js';
import { faultRow, type Place, T_MS } from './fault-world.js';

let server: RunningServer;

beforeAll(async () => {
  server = await startServer('zookeeper');
});

afterAll(() => server.stop());

const place = (): Place => ({ address: server.address });

faultRow(
  '2',
  'the sidecar stands still for 1.5 T, its session expires',
  place,
  { load: true },
  async (world) => {
    const before = await world.entry();
    world.sidecar.signal('SIGSTOP');
    await delay(1.5 * T_MS);
    await eventually('the server has expired the session', async () => (await world.owner()) === undefined);
    world.sidecar.signal('SIGCONT');
    const { bars } = world;
    await bars.within(
      'registered again',
      performance.now(),
      2_000,
      async () => (await world.owner()) !== undefined,
    );
    const after = await world.entry();
    bars.equal('another session', after?.stat.owner !== before?.stat.owner, true);
    bars.equal('the same data', String(after?.data), String(before?.data));
    await bars.within(
      'the caller knows',
      performance.now(),
      1_000,
      async () => (await world.report()).list.length === 2,
    );
  },
);

/** Longer than a process takes to start again, on the busiest machine. */
const RESTART_T_MS = 15_000;
const forRestart = { timeoutMs: RESTART_T_MS };
faultRow('3', 'the sidecar is killed and starts again before T is over', place, forRestart, async (world) => {
  const { bars } = world;
  const old = await world.owner();
  const poll = world.pollEntry();
  await world.sidecar.kill();
  const killedAt = performance.now();
  const killedAtWall = systemClock.wallNow();
  await delay(300);
  await world.startSidecar();
  const runsAt = performance.now();
  bars.note('process start to running, ms', Math.round(runsAt - killedAt - 300));
  await bars.within('taken over', runsAt, 1_500, async () => {
    const owner = await world.owner();
    return owner !== undefined && owner !== old;
  });
  await eventually('the old session has ended', async () => !(await sessions()).includes(String(old)));
  const { absent, looks, owners } = await poll.stop();
  expect(looks).toBeGreaterThan(20);
  bars.note('looks', looks);
  bars.equal('looks without the entry', absent, 0);
  bars.equal('owners, old and new', owners.size, 2);
  const { lists } = await world.report();
  bars.equal(
    'lists without the entry',
    lists.filter(({ at, ids }) => at >= killedAtWall && !ids.includes('one')).length,
    0,
  );
});

faultRow('28', 'the whole host is suspended for 1.5 T', place, { load: true }, async (world) => {
  const { bars } = world;
  const before = await world.owner();
  for (const process of [world.sidecar, world.caller]) process.signal('SIGSTOP');
  await delay(1.5 * T_MS);
  await eventually('the server has expired the session', async () => (await world.owner()) === undefined);
  for (const process of [world.sidecar, world.caller]) process.signal('SIGCONT');
  const thawedAt = performance.now();
  const thawedAtWall = systemClock.wallNow();
  await bars.within('registered again', thawedAt, 2_000, async () => (await world.owner()) !== undefined);
  bars.equal('another session', (await world.owner()) !== before, true);
  await bars.within('the caller is whole', thawedAt, 3_000, async () => {
    const { state, list } = await world.report();
    return state === 'fresh' && list.length === 2;
  });
  const { lists } = await world.report();
  bars.equal('empty lists', lists.filter(({ at, ids }) => at >= thawedAtWall && ids.length === 0).length, 0);
});

faultRow('33', 'somebody deletes the entry, again and again', place, {}, async (world) => {
  const { bars } = world;
  for (let round = 1; round <= 5; round++) {
    await delay(1_100);
    await world.witness.delete(world.path, -1);
    await bars.within(
      `back, round ${round},`,
      performance.now(),
      1_000,
      async () => (await world.owner()) !== undefined,
    );
  }
  // Until then it is being registered, and what is not there at the read-back is written once more.
  await eventually('its owner watches it', async () => watches(await world.owner(), world.path));
  await world.witness.delete(world.path, -1);
  await eventually('back once more', async () => (await world.owner()) !== undefined);
  const created = (): readonly number[] =>
    world.sidecar.log
      .filter(({ message }) => message === 'registered')
      .map(({ time }) => Date.parse(String(time)));
  await eventually('its owner says so', () => created().length === 7);
  const [before = 0, after = 0] = created().slice(-2);
  const gap = after - before;
  bars.note('from one creation to the next, ms', gap);
  bars.equal('at most one creation a second', gap >= 950, true);
});

/** All that the server knows of sessions, the ones without a connection included. */
const sessions = (): Promise<string> => fourLetterWord(server.address, 'dump');

/** Whether the session watches that very node. */
async function watches(session: string | undefined, path: string): Promise<boolean> {
  const byPath = await fourLetterWord(server.address, 'wchp');
  const [, watchers = ''] = byPath.split(`${path}\n`);
  return session !== undefined && watchers.split(/\n(?!\t)/)[0]?.includes(session) === true;
}
