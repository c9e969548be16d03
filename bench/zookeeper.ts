/**
 * What the list of a large service costs on a real ZooKeeper: the first list and one change, through pilotfish's watch
 * and by the bare driver. The contenders have services of their own, alike, so that neither wakes the other.
 */
import { randomUUID } from 'node:crypto';
import { startServer } from '../test/servers/start.js';
import {
  ChildContender,
  type Column,
  formatSpread,
  interleave,
  ratios,
  report,
  type Spread,
  spreadOf,
} from './harness.js';
import { progress } from './progress.js';
import {
  CHANGES,
  type Change,
  type ChangeRound,
  CONTENDERS,
  type CountRound,
  type Experiment,
  type ListRound,
  type ZkContender,
} from './zookeeper-experiments.js';
import { BareSession, fill } from './zookeeper-session.js';
import type { Traffic } from './zookeeper-wire.js';

const FULL = { sizes: [1_000, 10_000], rounds: 7 };
const QUICK = { sizes: [1_000], rounds: 2 };

interface Row {
  readonly contender: ZkContender;
  readonly children: number;
  readonly milliseconds: Spread;
  readonly timesBare: Spread;
  readonly traffic: Traffic;
}

interface ListRow extends Row {
  readonly stallMilliseconds: Spread;
}

interface ChangeRow extends Row {
  readonly change: Change;
}

/** By contender, in the order of the rounds. */
type Results<R> = ReadonlyMap<ZkContender, readonly R[]>;

export async function benchZooKeeper({ quick }: { readonly quick: boolean }): Promise<void> {
  const { sizes, rounds } = quick ? QUICK : FULL;
  progress('starting a ZooKeeper server');
  const server = await startServer('zookeeper');
  try {
    const lists: ListRow[] = [];
    const changes: ChangeRow[] = [];
    for (const size of sizes) {
      const measured = await measure(server.address, size, rounds);
      lists.push(...measured.lists);
      changes.push(...measured.changes);
    }
    reportAll(lists, changes);
  } finally {
    await server.stop();
  }
}

async function measure(
  address: string,
  size: number,
  rounds: number,
): Promise<{ readonly lists: readonly ListRow[]; readonly changes: readonly ChangeRow[] }> {
  progress(`creating ${CONTENDERS.length} services of ${size} children`);
  await createServices(address, size);
  progress(`first list of ${size} children, ${rounds} rounds`);
  const lists = await runRounds<ListRound>('list', address, size, rounds);
  progress(`one change among ${size} children, ${rounds} rounds`);
  const changes = await runRounds<ChangeRound>('change', address, size, rounds);
  progress(`counting the operations with ${size} children`);
  const counts = await runRounds<CountRound>('count', address, size, 1);
  return { lists: listRows(size, lists, counts), changes: changeRows(size, changes, counts) };
}

async function createServices(address: string, size: number): Promise<void> {
  const session = await BareSession.open(address);
  const ids = Array.from({ length: size }, () => randomUUID());
  for (const contender of CONTENDERS) await fill(session, serviceOf(contender, size), ids);
  session.close();
}

function serviceOf(contender: ZkContender, size: number): string {
  return `${contender.replaceAll(/\W+/g, '-')}-${size}`;
}

/** Each contender in a process of its own, which ends with the experiment. */
async function runRounds<R>(
  experiment: Experiment,
  address: string,
  size: number,
  rounds: number,
): Promise<Results<R>> {
  const program = new URL('./zookeeper-contender.js', import.meta.url);
  const children = CONTENDERS.map((name) => {
    const args = [name, experiment, address, serviceOf(name, size)];
    return new ChildContender<R>(name, program, args);
  });
  try {
    return (await interleave(children, rounds)) as Results<R>;
  } finally {
    await Promise.all(children.map((child) => child.close()));
  }
}

function listRows(children: number, lists: Results<ListRound>, counts: Results<CountRound>): ListRow[] {
  const times = (name: ZkContender): number[] => of(lists, name).map(({ ms }) => ms);
  return CONTENDERS.map((contender) => ({
    contender,
    children,
    milliseconds: spreadOf(times(contender)),
    timesBare: spreadOf(ratios(times(contender), times('bare'))),
    stallMilliseconds: spreadOf(of(lists, contender).map(({ stallMs }) => stallMs)),
    traffic: trafficOf(counts, contender).first,
  }));
}

/** The median of each round, so that a slow moment of the machine counts as one. */
function changeRows(
  children: number,
  changes: Results<ChangeRound>,
  counts: Results<CountRound>,
): ChangeRow[] {
  const rows = (change: Change): ChangeRow[] => {
    const times = (name: ZkContender): number[] =>
      of(changes, name).map((round) => spreadOf(round[change]).median);
    return CONTENDERS.map((contender) => ({
      contender,
      children,
      change,
      milliseconds: spreadOf(times(contender)),
      timesBare: spreadOf(ratios(times(contender), times('bare'))),
      traffic: trafficOf(counts, contender)[change],
    }));
  };
  return CHANGES.flatMap(rows);
}

function of<R>(results: Results<R>, name: ZkContender): readonly R[] {
  return results.get(name) as readonly R[];
}

function trafficOf(counts: Results<CountRound>, name: ZkContender): CountRound {
  return of(counts, name)[0] as CountRound;
}

const CONTENDER: readonly Column<Row>[] = [
  { title: 'contender', text: ({ contender }) => contender },
  { title: 'children', text: ({ children }) => `${children}` },
];
const TIMES: readonly Column<Row>[] = [
  { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds) },
  { title: 'x bare', text: ({ timesBare }) => formatSpread(timesBare) },
];
const COSTS: readonly Column<Row>[] = [
  { title: 'operations', text: ({ traffic }) => formatOperations(traffic) },
  { title: 'kB in', text: ({ traffic }) => (traffic.bytesIn / 1000).toFixed(1) },
];

function reportAll(lists: readonly ListRow[], changes: readonly ChangeRow[]): void {
  report<ListRow>(
    'zookeeper, first list, from opening a session to the whole list; median (min-max)',
    [
      ...CONTENDER,
      ...TIMES,
      { title: 'longest stall, ms', text: ({ stallMilliseconds }) => formatSpread(stallMilliseconds, 1) },
      ...COSTS,
    ],
    lists,
  );
  report<ChangeRow>(
    'zookeeper, one change, from sending the write to the new list; median (min-max) of the rounds’ medians',
    [...CONTENDER, { title: 'change', text: ({ change }) => change }, ...TIMES, ...COSTS],
    changes,
  );
}

/** `1 list + 1 read`. */
function formatOperations({ operations }: Traffic): string {
  const counted = Object.entries(operations).map(([name, count]) => `${count} ${name}`);
  return counted.length === 0 ? 'none' : counted.join(' + ');
}
