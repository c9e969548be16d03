/** One contender of `pick.ts` in its own process, so that each is compiled alone. */
import type { Instance, RegistryReader } from '../registry/contract.js';
import { parseInstance } from '../registry/instance.js';
import { snapshotOf } from '../registry/snapshot.js';
import {
  connect,
  consistentHash,
  leastLoaded,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  type ServiceHandle,
  slowStart,
  sticky,
} from '../resolver/index.js';
import { Emitter } from '../runtime/events.js';
import { exposedGc } from './garbage.js';
import { serveRounds } from './harness.js';
import {
  chanceLoop,
  counterLoop,
  doneLoop,
  handleLoop,
  hashLoop,
  keyedLoop,
  type Loop,
  twoChoicesLoop,
} from './pick-loops.js';

export type PickContender =
  | 'bare counter'
  | 'round-robin'
  | 'round-robin, weighted'
  | 'round-robin, all weights differ'
  | 'round-robin, slow start over'
  | 'bare Math.random'
  | 'random'
  | 'random, weighted'
  | 'bare two choices'
  | 'least loaded'
  | 'least loaded, weighted'
  | 'peak EWMA'
  | 'bare hash'
  | 'consistent hash'
  | 'sticky';

export interface PickRound {
  readonly nanoseconds: number;
  readonly bytes: number;
}

const TIMED_PICKS = 10_000_000;
const COUNTED_PICKS = 100_000;
const SERVICE = 'bench';

function instances(count: number, weightOf: (index: number) => number): Instance[] {
  return Array.from({ length: count }, (_, index) => {
    const input = {
      service: SERVICE,
      id: `i${index}`,
      host: '10.0.0.1',
      port: 1 + index,
      weight: weightOf(index),
    };
    const parsed = parseInstance(input);
    if (!parsed.ok) throw new Error(`instance ${index} is not valid`);
    return parsed.value;
  });
}

/** A registry that holds one list for ever. */
function holding(list: readonly Instance[]): RegistryReader {
  return {
    kind: 'bench',
    url: 'bench:',
    state: 'connected',
    onState: new Emitter<RegistryReader['state']>().event,
    async *watch(service, options) {
      yield snapshotOf(service, list, 1);
      await new Promise<void>((resolve) => options?.signal?.addEventListener('abort', () => resolve()));
    },
    services: async () => [SERVICE],
    ping: async () => {},
    close: async () => {},
  };
}

async function openHandle(list: readonly Instance[], policy: Policy): Promise<ServiceHandle> {
  const handle = (await connect(holding(list), { policy })).service(SERVICE);
  await handle.ready();
  return handle;
}

const equal = (): number => 1;
const varied = (index: number): number => 1 + ((index * 37) % 100);
const different = (index: number): number => 1 + index;

const LOOPS: Readonly<Record<PickContender, (size: number) => Loop | Promise<Loop>>> = {
  'bare counter': (size) => counterLoop(instances(size, equal)),
  'bare Math.random': (size) => chanceLoop(instances(size, equal)),
  'round-robin': async (size) => handleLoop(await openHandle(instances(size, equal), roundRobin())),
  'round-robin, weighted': async (size) =>
    handleLoop(await openHandle(instances(size, varied), roundRobin())),
  'round-robin, all weights differ': async (size) =>
    handleLoop(await openHandle(instances(size, different), roundRobin())),
  'round-robin, slow start over': async (size) =>
    handleLoop(await openHandle(instances(size, equal), slowStart({}, roundRobin()))),
  random: async (size) => handleLoop(await openHandle(instances(size, equal), random())),
  'random, weighted': async (size) => handleLoop(await openHandle(instances(size, varied), random())),
  'bare two choices': (size) => twoChoicesLoop(instances(size, equal)),
  'least loaded': async (size) => doneLoop(await openHandle(instances(size, equal), leastLoaded())),
  'least loaded, weighted': async (size) =>
    doneLoop(await openHandle(instances(size, varied), leastLoaded())),
  'peak EWMA': async (size) => doneLoop(await openHandle(instances(size, equal), peakEwma())),
  'bare hash': (size) => hashLoop(instances(size, equal)),
  'consistent hash': async (size) => keyedLoop(await openHandle(instances(size, equal), consistentHash())),
  sticky: async (size) => keyedLoop(await openHandle(instances(size, equal), sticky())),
};

function nanosecondsPerPick(loop: Loop): number {
  const start = process.hrtime.bigint();
  loop(TIMED_PICKS);
  return Number(process.hrtime.bigint() - start) / TIMED_PICKS;
}

/** Between two collections of garbage the heap only grows, by what the picks allocate. */
function bytesPerPick(loop: Loop, collect: () => void): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  loop(COUNTED_PICKS);
  return Math.max(0, process.memoryUsage().heapUsed - before) / COUNTED_PICKS;
}

const [contender, size] = process.argv.slice(2) as [PickContender, string];
const loop = await LOOPS[contender](Number(size));
const collect = exposedGc();
for (let warmUp = 0; warmUp < 5; warmUp++) loop(COUNTED_PICKS);

serveRounds<PickRound>(() => ({ nanoseconds: nanosecondsPerPick(loop), bytes: bytesPerPick(loop, collect) }));
