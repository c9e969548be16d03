/** Rows 1, 9, 11, 12 and 13 of the fault matrix: servers of an ensemble of three die, freeze, or forget everything. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { eventually } from '../end-to-end/world.js';
import {
  fourLetterWord,
  type RunningServer,
  startZooKeeperEnsemble,
  type ZooKeeperEnsemble,
} from '../servers/index.js';
import { faultRow, liveSessions, type Place, sharedFault, T_MS, type World } from './fault-world.js';

const OUTAGE_MS = 2 * T_MS;
const RECONNECT_LIMIT_MS = 5_000;

let ensemble: ZooKeeperEnsemble;

beforeAll(async () => {
  ensemble = await startZooKeeperEnsemble(3);
});

afterAll(() => ensemble.stop());

const everywhere = (): Place => ({ address: ensemble.address });

/** The sidecar and the caller know the followers alone: a frozen leader would stop the whole ensemble. */
async function followersAlone(): Promise<Place> {
  const [followers, leader] = [await serversThat('follower'), await serversThat('leader')];
  return { address: addressOf(followers), servers: ensemble.address, spared: addressOf(leader) };
}

const addressOf = (servers: readonly RunningServer[]): string =>
  servers.map(({ address }) => address).join(',');

/** When the servers were told to start again, on the wall clock, and when they all served, on the monotonic one. */
interface Outage {
  readonly endedAtWall: number;
  readonly quorumAt: number;
}

/** Kills the servers, and starts them again after so long. */
async function outage(servers: readonly RunningServer[], ms: number, options = {}): Promise<Outage> {
  await Promise.all(servers.map((server) => server.kill()));
  await delay(ms);
  const endedAtWall = systemClock.wallNow();
  await Promise.all(servers.map((server) => server.restart(options)));
  return { endedAtWall, quorumAt: performance.now() };
}

async function serversThat(mode: 'leader' | 'follower'): Promise<readonly RunningServer[]> {
  const answers = await Promise.all(ensemble.servers.map(({ address }) => fourLetterWord(address, 'srvr')));
  return ensemble.servers.filter((_, at) => answers[at]?.includes(`Mode: ${mode}`));
}

/** The fault begins when the worlds of all drivers are there. */
const readyForAllDown = sharedFault(async () => {});
const allDown = sharedFault(() => outage(ensemble.servers, OUTAGE_MS));
faultRow('1', 'all servers are down for 2 T', everywhere, { load: true }, async (world) => {
  const { bars } = world;
  const mark = await world.mark();
  const checks = await checksOf(world);
  await readyForAllDown();
  const fromWall = systemClock.wallNow();
  const from = performance.now();
  const down = allDown();
  await bars.within('the caller says stale', from, 2_000, () => world.callerIs('stale'));
  await delay(OUTAGE_MS / 2);
  const { staleMs, list } = await world.report();
  bars.note('stale for, ms', Math.round(staleMs ?? 0));
  bars.equal('kept meanwhile', list, ['one=1', 'two=1']);
  bars.equal('checks went on', (await checksOf(world)) > checks, true);
  const { endedAtWall, quorumAt } = await down;
  bars.note('until all serve, ms', Math.round(quorumAt - from));
  // One for the change of state, one for its cause, and then one in five seconds.
  const lines = world.sidecar.log.filter(({ time }) => isBetween(String(time), fromWall, endedAtWall));
  bars.atMost('log lines in it', lines.length, 2 + (endedAtWall - fromWall) / 5_000);
  await bars.within('sidecar connected', quorumAt, RECONNECT_LIMIT_MS, () => world.sidecarIsConnected());
  await bars.within('list confirmed', quorumAt, RECONNECT_LIMIT_MS, () => world.callerIs('fresh'));
  await world.untouched(mark);
});

const leaderDies = [1, 2].map(() =>
  sharedFault(async () => {
    const [leader] = await serversThat('leader');
    await leader?.kill();
    return { leader, at: performance.now() };
  }),
);
const leaderReturns = [1, 2].map((round) =>
  sharedFault(async () => (await leaderDies[round - 1]?.())?.leader?.restart()),
);
faultRow('11', 'the leader is killed, twice', everywhere, { load: true }, async (world) => {
  const { bars } = world;
  const mark = await world.mark();
  const from = systemClock.wallNow();
  for (const round of [0, 1]) {
    const { at = 0 } = (await leaderDies[round]?.()) ?? {};
    await delay(1_000);
    await bars.within(`all whole, kill ${round + 1},`, at, RECONNECT_LIMIT_MS, async () => {
      return world.sidecarIsConnected() && (await world.callerIs('fresh'));
    });
    await leaderReturns[round]?.();
  }
  bars.atMost('longest suspension of the sidecar, ms', world.longestSuspensionMs(from), RECONNECT_LIMIT_MS);
  await world.untouched(mark);
});

const readyForQuorumLost = sharedFault(async () => {});
const quorumLost = sharedFault(() => outage(ensemble.servers.slice(0, 2), OUTAGE_MS));
faultRow('12', 'the quorum is lost for 2 T', everywhere, {}, async (world) => {
  const { bars } = world;
  const mark = await world.mark();
  await readyForQuorumLost();
  const from = performance.now();
  const lost = quorumLost();
  await bars.within('the caller says stale', from, 2_000, () => world.callerIs('stale'));
  const { quorumAt } = await lost;
  const poll = world.pollEntry();
  await bars.within('sidecar connected', quorumAt, RECONNECT_LIMIT_MS, () => world.sidecarIsConnected());
  await bars.within('list confirmed', quorumAt, RECONNECT_LIMIT_MS, () => world.callerIs('fresh'));
  await delay(Math.max(0, quorumAt + 1.5 * T_MS - performance.now()));
  const { looks, absent } = await poll.stop();
  bars.note('looks', looks);
  bars.equal('looks without the entry', absent, 0);
  await world.untouched(mark);
});

faultRow(
  '13',
  'the server that the sidecar is connected to freezes',
  followersAlone,
  { load: true, inTurn: true },
  async (world) => {
    const followers = await serversThat('follower');
    const { bars } = world;
    const mark = await world.mark();
    const session = mark.stat?.owner ?? '';
    const itsServer = async (): Promise<RunningServer | undefined> => {
      const hosts = await Promise.all(
        followers.map(async (each) => (await liveSessions(each.address)).has(session)),
      );
      return followers[hosts.indexOf(true)];
    };
    await eventually('its server is known', async () => (await itsServer()) !== undefined);
    const frozen = await itsServer();
    const from = performance.now();
    const fromWall = systemClock.wallNow();
    frozen?.freeze();
    try {
      await bars.within(
        'left',
        from,
        (2 / 3) * T_MS + 500,
        () => world.sidecarStateAt('suspended', fromWall) !== undefined,
      );
      await bars.within('connected to the other', from, (2 / 3) * T_MS + 1_500, () =>
        world.sidecarIsConnected(),
      );
      await delay(Math.max(0, from + 1.5 * T_MS - performance.now()));
      await world.untouched(mark);
    } finally {
      frozen?.thaw();
    }
  },
);

const wiped = sharedFault(() => outage(ensemble.servers, 0, { wipe: true }));
faultRow(
  '9',
  'all data of the registry is lost, its transactions begin anew',
  everywhere,
  { newEpochs: 1 },
  async (world) => {
    const { bars } = world;
    const before = await world.owner();
    // So that the new ensemble stays behind what the sessions have seen.
    for (let i = 0; i < 300; i++) await world.put('two', 1);
    await delay(T_MS / 2);
    const from = systemClock.wallNow();
    const { quorumAt } = await wiped();
    await world.lookAnew();
    await bars.within('registered again', quorumAt, 2 * T_MS, async () => {
      const owner = await world.owner();
      return owner !== undefined && owner !== before;
    });
    const loud = world.sidecar.log.filter(({ level }) => level === 'error');
    bars.equal('loud lines', loud.length, 1);
    await world.put('two', 1).catch(() => {});
    await bars.within('the caller knows', quorumAt, 3 * T_MS, async () => {
      const { state, list } = await world.report();
      return state === 'fresh' && list.length === 2;
    });
    const lists = (await world.report()).lists.filter(({ at }) => at >= from);
    bars.equal('empty lists', lists.filter(({ ids }) => ids.length === 0).length, 0);
    bars.note(
      'lists since',
      lists.map(({ at, ids }) => [at - from, ids.join()]),
    );
  },
);

function isBetween(time: string, fromWall: number, toWall: number): boolean {
  const at = Date.parse(time);
  return at >= fromWall && at < toWall;
}

/** How many checks the sidecar has done. */
async function checksOf(world: World): Promise<number> {
  const { text } = await world.sidecar.get('/metrics');
  return Number(/pilotfish_checks_total\{[^}]*result="passing"\} (\d+)/.exec(text)?.[1] ?? 0);
}
