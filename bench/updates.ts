/**
 * What a change of a long list costs: from the list as a registry sends it to the first pick that knows of it; what a
 * second of many changes does to the process; and what an endpoint takes of memory. Beside the balancers that Node.js has
 * otherwise. One process for each contender.
 */
import { ChildContender, formatSpread, interleave, report, type Spread, spreadOf } from './harness.js';
import { progress } from './progress.js';
import type {
  BurstRound,
  ChangeRound,
  MemoryRound,
  UpdatesContender,
  UpdatesExperiment,
  UpdatesRounds,
} from './updates-experiments.js';

const SIZE = 10_000;
const ROUNDS = 5;
const BURSTS = 3;
const QUICK_SIZE = 1000;

const NAMES: readonly UpdatesContender[] = [
  'round-robin',
  'random',
  'least loaded',
  'peak EWMA',
  'consistent hash',
  'subset of 20, round-robin',
  'grpc-js round_robin',
  'grpc-js weighted_round_robin',
  'undici BalancedPool',
  'moleculer RoundRobin',
];

/** @param options With `quick` a shorter list and one round. */
export async function benchUpdates({ quick = false }: { readonly quick?: boolean } = {}): Promise<void> {
  const size = quick ? QUICK_SIZE : SIZE;
  reportChanges(size, await measure('change', size, quick ? 1 : ROUNDS));
  reportBursts(size, await measure('burst', size, quick ? 1 : BURSTS));
  reportMemory(size, await measure('memory', size, 1));
}

type Results<R> = ReadonlyMap<string, readonly R[]>;

async function measure<E extends UpdatesExperiment>(
  experiment: E,
  size: number,
  rounds: number,
): Promise<Results<UpdatesRounds[E]>> {
  progress(`updates: ${experiment}`);
  const program = new URL('./updates-contender.js', import.meta.url);
  const contenders = NAMES.map(
    (name) => new ChildContender<UpdatesRounds[E]>(name, program, [name, experiment, `${size}`]),
  );
  try {
    // A round of all at once, which does not count: after it all are open, and their code is compiled.
    await Promise.all(contenders.map((contender) => contender.run()));
    return await interleave(contenders, rounds);
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}

function reportChanges(size: number, results: Results<ChangeRound>): void {
  report(
    `updates, one endpoint joins ${size}: from the new list to the first pick from it; median (min-max)`,
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds) },
      { title: 'of processor time', text: ({ processorMs }) => formatSpread(processorMs) },
    ],
    rowsOf(results, (rounds) => ({
      milliseconds: spread(rounds, 'milliseconds'),
      processorMs: spread(rounds, 'processorMs'),
    })),
  );
}

function reportBursts(size: number, results: Results<BurstRound>): void {
  report(
    `updates, 1000 changes in 1 s to a list of ${size}, with picks meanwhile; median (min-max)`,
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'longest stall, ms', text: ({ longestStallMs }) => formatSpread(longestStallMs, 1) },
      { title: 'of processor time', text: ({ longestTurnMs }) => formatSpread(longestTurnMs, 1) },
      { title: 'p99 of a pick, us', text: ({ pickP99Us }) => formatSpread(pickP99Us, 1) },
      { title: 'last change known after, ms', text: ({ lastKnownMs }) => formatSpread(lastKnownMs, 1) },
      { title: 'processor, % of a core', text: ({ processor }) => formatSpread(processor, 0) },
    ],
    rowsOf(results, (rounds) => ({
      longestStallMs: spread(rounds, 'longestStallMs'),
      longestTurnMs: spread(rounds, 'longestTurnMs'),
      pickP99Us: spread(rounds, 'pickP99Us'),
      lastKnownMs: spread(rounds, 'lastKnownMs'),
      processor: spread(rounds, 'processor'),
    })),
  );
}

function reportMemory(size: number, results: Results<MemoryRound>): void {
  report(
    `updates, memory of an endpoint in a list of ${size}, bytes`,
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'bytes', text: ({ bytesPerEndpoint }) => bytesPerEndpoint.toFixed(0) },
      { title: 'of them the list', text: ({ ofThemListed }) => ofThemListed?.toFixed(0) ?? '-' },
    ],
    rowsOf(results, ([round]) => round as MemoryRound),
  );
}

function rowsOf<R, Row>(
  results: Results<R>,
  rowOf: (rounds: readonly R[]) => Row,
): (Row & { readonly contender: string })[] {
  return NAMES.map((contender) => ({ contender, ...rowOf(results.get(contender) as readonly R[]) }));
}

function spread<K extends string>(rounds: readonly Readonly<Record<K, number>>[], figure: K): Spread {
  return spreadOf(rounds.map((round) => round[figure]));
}
