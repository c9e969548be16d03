/** One contender of `pick.ts` in its own process, so that each is compiled alone. */
import type { Instance } from '../registry/contract.js';
import {
  consistentHash,
  leastLoaded,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  slowStart,
  sticky,
} from '../resolver/index.js';
import { different, equal, instances, varied } from './endpoints.js';
import { serveRounds, spreadOf } from './harness.js';
import { ListRegistry, openHandle } from './list-registry.js';
import { OPEN_PEER, PEERS, type PeerName } from './peer.js';
import {
  aliasLoop,
  branchlessLoop,
  chanceLoop,
  counterLoop,
  dueLoop,
  handleLoop,
  hashLoop,
  keyedLoop,
  type Loop,
  twoChoicesLoop,
} from './pick-loops.js';
import { processorMsSince } from './process-usage.js';

export type PickContender =
  | 'bare counter'
  | 'round-robin'
  | 'round-robin, slow start over'
  | 'bare heap of turns'
  | 'round-robin, weighted'
  | 'round-robin, all weights differ'
  | 'bare Math.random'
  | 'random'
  | 'bare alias table'
  | 'random, weighted'
  | 'bare two choices'
  | 'bare two choices, no branch'
  | 'least loaded'
  | 'least loaded, weighted'
  | 'peak EWMA'
  | 'bare hash'
  | 'consistent hash'
  | 'sticky'
  | PeerName;

export interface PickRound {
  readonly nanoseconds: number;
  readonly bytes: number;
}

/** Of processor time. Long enough to be measured, short enough for many contenders. */
const ROUND_MS = 80;
const WARM_UP_MS = 200;
const MOST_PICKS = 10_000_000;
/** What the counted picks allocate, and how many they are at most: too little to fill the young generation often. */
const COUNTED_BYTES = 200_000;
const MOST_COUNTED = 2_000;
const COUNTS = 21;

type WeightOf = (index: number) => number;
type Open = (size: number) => Loop | Promise<Loop>;

function bare(loopOf: (list: readonly Instance[]) => Loop, weightOf: WeightOf = equal): Open {
  return (size) => loopOf(instances(size, weightOf));
}

function ours(policy: Policy, weightOf: WeightOf = equal, loopOf = handleLoop): Open {
  return async (size) => loopOf(await openHandle(new ListRegistry(instances(size, weightOf)), policy));
}

function peer(name: PeerName): Open {
  return async (size) => (await OPEN_PEER[name]())(size, varied).loop;
}

const LOOPS: Readonly<Record<Exclude<PickContender, PeerName>, Open>> = {
  'bare counter': bare(counterLoop),
  'round-robin': ours(roundRobin()),
  'round-robin, slow start over': ours(slowStart({}, roundRobin())),
  'bare heap of turns': bare(dueLoop, varied),
  'round-robin, weighted': ours(roundRobin(), varied),
  'round-robin, all weights differ': ours(roundRobin(), different),
  'bare Math.random': bare(chanceLoop),
  random: ours(random()),
  'bare alias table': bare(aliasLoop, varied),
  'random, weighted': ours(random(), varied),
  'bare two choices': bare(twoChoicesLoop),
  'bare two choices, no branch': bare(branchlessLoop),
  'least loaded': ours(leastLoaded()),
  'least loaded, weighted': ours(leastLoaded(), varied),
  'peak EWMA': ours(peakEwma()),
  'bare hash': bare(hashLoop),
  'consistent hash': ours(consistentHash(), equal, keyedLoop),
  sticky: ours(sticky(), equal, keyedLoop),
};

function isPeer(name: PickContender): name is PeerName {
  return (PEERS as readonly string[]).includes(name);
}

function processorMsOf(loop: Loop, picks: number): number {
  const before = process.cpuUsage();
  loop(picks);
  return processorMsSince(before);
}

/** Runs it until it is compiled. @returns How many picks take as long as a round should. */
function warmUp(loop: Loop): number {
  let picks = 1;
  let lastMs = 0;
  for (let spentMs = 0; spentMs < WARM_UP_MS; spentMs += lastMs) {
    if (lastMs < ROUND_MS / 4) picks = Math.min(2 * picks, MOST_PICKS);
    lastMs = processorMsOf(loop, picks);
  }
  return Math.min(Math.ceil((picks * ROUND_MS) / lastMs), MOST_PICKS);
}

/** How much the heap grows by a few picks: as a rule, because now and then garbage is collected or code compiled. */
function bytesPerPick(loop: Loop): number {
  const few = 10;
  const picks = Math.min(Math.ceil(COUNTED_BYTES / (growth(loop, few) / few)), MOST_COUNTED);
  return Math.max(0, growth(loop, picks) - growth(loop, 0)) / picks;
}

function growth(loop: Loop, picks: number): number {
  const bytes = Array.from({ length: COUNTS }, () => {
    const before = process.memoryUsage().heapUsed;
    loop(picks);
    return process.memoryUsage().heapUsed - before;
  });
  return spreadOf(bytes).median;
}

const [contender, size] = process.argv.slice(2) as [PickContender, string];
const loop = await (isPeer(contender) ? peer(contender) : LOOPS[contender])(Number(size));
/** Found in the first round, when the other contenders rest. */
let prepared: { readonly picks: number; readonly bytes: number } | undefined;

serveRounds<PickRound>(() => {
  prepared ??= { picks: warmUp(loop), bytes: bytesPerPick(loop) };
  const { picks, bytes } = prepared;
  return { nanoseconds: (processorMsOf(loop, picks) * 1e6) / picks, bytes };
});
