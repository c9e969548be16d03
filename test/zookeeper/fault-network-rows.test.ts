/** Rows 6, 7, 15 and 30 of the fault matrix: the network between pilotfish and the registry goes silent. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { eventually } from '../end-to-end/world.js';
import type { Direction, FaultProxy } from '../helpers/fault-proxy.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { faultRow, type Place, SERVICE, T_MS, type World } from './fault-world.js';

/** Well over T, as 14 s are at T = 6 s, and surely below it, as 4 s are. */
const LONG_CUT_MS = (7 / 3) * T_MS;
const SHORT_CUT_MS = 0.6 * T_MS;
/** The server may have heard from the sidecar a third of T before a cut, so a longer one may be longer than T to it. */
const STILL_SHORT_MS = (2 / 3) * T_MS;
const DETECTION_LIMIT_MS = (2 / 3) * T_MS + 500;
const CHANGES = { created: 20, changed: 20, deleted: 10 };

let server: RunningServer;

beforeAll(async () => {
  server = await startServer('zookeeper');
});

afterAll(() => server.stop());

const place = (): Place => ({ address: server.address });

/** Cuts the sidecar off, one way or both ways, for longer than T; what the cut shows and what comes after it. */
async function cutOff(world: World, directions: readonly Direction[]): Promise<void> {
  const { bars, sidecarProxy } = world;
  const cutAt = systemClock.wallNow();
  const from = performance.now();
  sidecarProxy.stall(...directions);
  await bars.within(
    'suspended',
    from,
    DETECTION_LIMIT_MS,
    () => world.sidecarStateAt('suspended', cutAt) !== undefined,
  );
  const suspendedAt = world.sidecarStateAt('suspended', cutAt);
  if (suspendedAt !== undefined) bars.note('suspended by its log after, ms', suspendedAt - cutAt);
  await delay(Math.max(0, from + LONG_CUT_MS - performance.now()));
  bars.note('entry present at the end of the cut', (await world.owner()) !== undefined);
  const healedAt = performance.now();
  const healedAtWall = systemClock.wallNow();
  await sidecarProxy.heal();
  // An attempt to connect may be T / 2 away, and a fleet spreads its sessions and its registrations over half a second each.
  await bars.within('registered and connected', healedAt, T_MS / 2 + 1_500, async () => {
    return world.sidecarIsConnected() && (await world.owner()) !== undefined;
  });
  bars.note(
    'states since, by the log',
    world.sidecarStateAt('expired', healedAtWall) === undefined ? 'resumed' : 'expired',
  );
  await bars.within(
    'the caller knows',
    performance.now(),
    1_000,
    async () => (await world.report()).list.length === 2,
  );
}

faultRow(
  '6',
  'a silent cut between sidecar and registry, longer than T',
  place,
  { proxied: true, load: true },
  async (world) => {
    const before = await world.owner();
    await cutOff(world, ['up', 'down']);
    world.bars.equal('another session', (await world.owner()) !== before, true);
  },
);

faultRow('30 up', 'what the sidecar sends is lost', place, { proxied: true }, (world) =>
  cutOff(world, ['up']),
);

faultRow('30 down', 'what the registry answers is lost', place, { proxied: true }, (world) =>
  cutOff(world, ['down']),
);

/** Resolves with how long it was in the end. */
async function shortCut(proxy: FaultProxy): Promise<number> {
  const from = performance.now();
  proxy.stall();
  await delay(SHORT_CUT_MS);
  await proxy.heal();
  return performance.now() - from;
}

faultRow('7', 'silent cuts, shorter than T', place, { proxied: true }, async (world) => {
  const { bars, sidecarProxy } = world;
  const lastWrite = async (): Promise<number> =>
    (await world.witness.children(`${world.chroot}/${SERVICE}`)).stat.pzxid;
  for (let cut = 1; cut <= 3; ) {
    await eventually('the entry', async () => (await world.owner()) !== undefined);
    const mark = await world.mark();
    const written = await lastWrite();
    const cutMs = await shortCut(sidecarProxy);
    const healedAt = performance.now();
    await eventually('connected again', () => world.sidecarIsConnected());
    if (cutMs < STILL_SHORT_MS) {
      bars.atMost(`connected again, cut ${cut}, after ms`, performance.now() - healedAt, 2_000);
      await delay(T_MS / 3 + 100);
      bars.equal(`writes to the list, cut ${cut}`, (await lastWrite()) - written, 0);
      await world.untouched(mark);
      cut++;
    } else bars.note('a cut that this machine made too long for this row, ms', Math.round(cutMs));
  }
  bars.note('connections', sidecarProxy.accepted);
});

faultRow(
  '15',
  'the list changes 50 times while the caller is cut off',
  place,
  { proxied: true },
  async (world) => {
    const { bars, callerProxy, witness, chroot } = world;
    const ids = (prefix: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
    const [changed, deleted] = [ids('changed', CHANGES.changed), ids('deleted', CHANGES.deleted)];
    await Promise.all([...changed, ...deleted].map((id) => world.put(id, 1)));
    await eventually('all are listed', async () => (await world.report()).list.length === 32);
    callerProxy.stall();
    await Promise.all([
      ...ids('created', CHANGES.created).map((id) => world.put(id, 3)),
      ...changed.map((id) => world.put(id, 2)),
      ...deleted.map((id) => witness.delete(`${chroot}/${SERVICE}/${id}`, -1)),
    ]);
    await bars.within('the caller says stale', performance.now(), DETECTION_LIMIT_MS, () =>
      world.callerIs('stale'),
    );
    bars.equal('kept meanwhile', (await world.report()).list.length, 32);
    await callerProxy.heal();
    const wanted = [
      ...ids('changed', CHANGES.changed).map((id) => `${id}=2`),
      ...ids('created', CHANGES.created).map((id) => `${id}=3`),
      ...['one=1', 'two=1'],
    ].sort();
    await bars.within('the list equals the registry', performance.now(), 1_000, async () => {
      return (await world.report()).list.toSorted().join() === wanted.join();
    });
    await Promise.all(
      [...changed, ...ids('created', CHANGES.created)].map((id) =>
        witness.delete(`${chroot}/${SERVICE}/${id}`, -1),
      ),
    );
    await eventually('the caller follows', async () => (await world.report()).list.length === 2);
  },
);
