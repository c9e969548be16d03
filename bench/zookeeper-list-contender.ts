/** One contender of `zookeeper-lists.ts` in its own process, and what a round of each experiment is. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { WireClient } from '../registry/zookeeper/wire/client.js';
import { sleep, systemClock } from '../runtime/clock.js';
import { deferred } from '../runtime/deferred.js';
import { serveRounds } from './harness.js';
import { openWire } from './zk-own.js';
import { openJsPackage } from './zk-package-js.js';
import { openNativePackage } from './zk-package-native.js';
import { entryOf, pathOf } from './zookeeper-entries.js';
import {
  CHANGES,
  type Change,
  type ChangeRound,
  type CountRound,
  type ListExperiment,
  type Lister,
  type ListRound,
} from './zookeeper-experiments.js';
import {
  type Follow,
  follow,
  followByTree,
  followWithPilotfish,
  readOnce,
  readOnceByChunks,
} from './zookeeper-follow.js';
import { Sight } from './zookeeper-sight.js';
import { startCountingProxy, type Traffic } from './zookeeper-wire.js';

/** The instance that is created, changed and deleted. */
const ID = 'changing';
const REPEATS = 10;
/** So that whatever a change still causes after it is known does not fall into the next one. */
const SETTLE_MS = 20;

const [contender, experiment, address, service] = process.argv.slice(2) as [
  Lister,
  ListExperiment,
  string,
  string,
];

const FIRST_LIST: Readonly<Record<Lister, Follow>> = {
  zookeeper: readOnce(openNativePackage),
  'node-zookeeper-client': readOnce(openJsPackage),
  'pilotfish client': readOnceByChunks,
  pilotfish: followWithPilotfish,
};
const FOLLOW: Readonly<Record<Lister, Follow>> = {
  zookeeper: follow(openNativePackage),
  'node-zookeeper-client': follow(openJsPackage),
  'pilotfish client': followByTree,
  pilotfish: followWithPilotfish,
};

const WEIGHT_AFTER: Readonly<Record<Change, number | undefined>> = { create: 1, set: 2, delete: undefined };

function make(change: Change, writer: WireClient): Promise<unknown> {
  const path = pathOf(service, ID);
  if (change === 'create') return writer.create(path, entryOf(service, ID, 1), 'persistent');
  return change === 'set' ? writer.set(path, entryOf(service, ID, 2), -1) : writer.delete(path, -1);
}

/** A new session and the list; the end of the session is not in the time. */
async function listRound(): Promise<ListRound> {
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  const known = deferred<void>();
  stalls.enable();
  const startedAt = systemClock.now();
  const close = await FIRST_LIST[contender](address, service, () => known.resolve());
  await known.promise;
  const ms = systemClock.now() - startedAt;
  await sleep(systemClock, SETTLE_MS);
  stalls.disable();
  await close();
  return { ms, stallMs: stalls.max / 1e6 };
}

async function changeRound(): Promise<ChangeRound> {
  const latencies: Record<Change, number[]> = { create: [], set: [], delete: [] };
  await following(address, async (makeAndSee) => {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const change of CHANGES) latencies[change].push(await makeAndSee(change));
    }
  });
  return latencies;
}

async function countRound(): Promise<CountRound> {
  const proxy = await startCountingProxy(address);
  const counts: Partial<Record<keyof CountRound, Traffic>> = {};
  await following(proxy.address, async (makeAndSee) => {
    counts.first = proxy.take();
    for (const change of CHANGES) {
      await makeAndSee(change);
      counts[change] = proxy.take();
    }
  });
  proxy.close();
  return counts as CountRound;
}

/** Gives `work` a follower that has its first list, and a way to make one change and see it arrive. */
async function following(
  followed: string,
  work: (makeAndSee: (change: Change) => Promise<number>) => Promise<void>,
): Promise<void> {
  const writer = await openWire(address);
  const sight = new Sight(systemClock, ID);
  const first = sight.next(undefined);
  const close = await FOLLOW[contender](followed, service, sight.onList);
  await first;
  await sleep(systemClock, SETTLE_MS);
  await work(async (change) => {
    const startedAt = systemClock.now();
    const seen = sight.next(WEIGHT_AFTER[change]);
    await make(change, writer);
    const ms = (await seen) - startedAt;
    await sleep(systemClock, SETTLE_MS);
    return ms;
  });
  await close();
  await writer.close();
}

const EXPERIMENTS: Readonly<Record<ListExperiment, () => Promise<ListRound | ChangeRound | CountRound>>> = {
  list: listRound,
  change: changeRound,
  count: countRound,
};

serveRounds(EXPERIMENTS[experiment]);
