/** What the list of a large service costs: the first list and one change, beside what the two packages need for it. */
import { type Column, formatSpread, ratios, report, type Spread, spreadOf } from './harness.js';
import type { ChangeRound, CountRound, ListRound } from './list-rounds.js';
import { progress } from './progress.js';
import { formatKilobytes, formatOperations, type Traffic } from './traffic.js';
import { inProcesses, type Results, resultsOf } from './turns.js';
import {
  CHANGES,
  type Change,
  LISTERS,
  type Lister,
  PACKAGES,
  type Package,
} from './zookeeper-experiments.js';

type Changes = ChangeRound<Change>;
type Counts = CountRound<Change>;

interface Row {
  readonly contender: Lister;
  readonly children: number;
  readonly milliseconds: Spread;
  /** How many times as long each package took in the same round. */
  readonly timesFaster: Readonly<Record<Package, Spread>>;
  readonly traffic: Traffic;
}

interface ListRow extends Row {
  /** The first one of the process, in which the code was not yet compiled. */
  readonly coldMilliseconds: number;
  readonly stallMilliseconds: Spread;
}

interface ChangeRow extends Row {
  readonly change: Change;
}

export interface ListedService {
  readonly address: string;
  readonly service: string;
  readonly children: number;
}

export interface ListRows {
  readonly lists: readonly ListRow[];
  readonly changes: readonly ChangeRow[];
}

export function measureLists(
  { address, service, children }: ListedService,
  rounds: number,
): Promise<ListRows> {
  const program = './zookeeper-list-contender.js';
  const args = [address, service, `${children}`];
  return inProcesses({ contenders: LISTERS, program, args }, async (takeTurns) => {
    progress(`first list of ${children} children, ${rounds} rounds`);
    const lists = await takeTurns<ListRound>('list', 1 + rounds);
    progress(`one change among ${children} children, ${rounds} rounds`);
    const changes = await takeTurns<Changes>('change', rounds);
    progress(`counting the operations with ${children} children`);
    const counts = await takeTurns<Counts>('count', 1);
    return { lists: listRows(children, lists, counts), changes: changeRows(children, changes, counts) };
  });
}

function listRows(
  children: number,
  lists: Results<Lister, ListRound>,
  counts: Results<Lister, Counts>,
): ListRow[] {
  const warm = (name: Lister): readonly ListRound[] => resultsOf(lists, name).slice(1);
  const times = (name: Lister): number[] => warm(name).map(({ ms }) => ms);
  return LISTERS.map((contender) => ({
    contender,
    children,
    ...compared(contender, times),
    coldMilliseconds: (resultsOf(lists, contender)[0] as ListRound).ms,
    stallMilliseconds: spreadOf(warm(contender).map(({ stallMs }) => stallMs)),
    traffic: trafficOf(counts, contender).first,
  }));
}

/** The median of each round, so that a slow moment of the machine counts as one. */
function changeRows(
  children: number,
  changes: Results<Lister, Changes>,
  counts: Results<Lister, Counts>,
): ChangeRow[] {
  return CHANGES.flatMap((change) => {
    const times = (name: Lister): number[] =>
      resultsOf(changes, name).map((round) => spreadOf(round[change]).median);
    return LISTERS.map((contender) => ({
      contender,
      children,
      change,
      ...compared(contender, times),
      traffic: trafficOf(counts, contender)[change],
    }));
  });
}

function compared(
  contender: Lister,
  times: (name: Lister) => number[],
): Pick<Row, 'milliseconds' | 'timesFaster'> {
  const own = times(contender);
  const against = (name: Package): [Package, Spread] => [name, spreadOf(ratios(times(name), own))];
  return {
    milliseconds: spreadOf(own),
    timesFaster: Object.fromEntries(PACKAGES.map(against)) as Record<Package, Spread>,
  };
}

function trafficOf(counts: Results<Lister, Counts>, name: Lister): Counts {
  return resultsOf(counts, name)[0] as Counts;
}

const CONTENDER: readonly Column<Row>[] = [
  { title: 'contender', text: ({ contender }) => contender },
  { title: 'children', text: ({ children }) => `${children}` },
];
const TIMES: readonly Column<Row>[] = [
  { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds, 1) },
  ...PACKAGES.map((name) => ({
    title: `x the speed of ${name}`,
    text: ({ timesFaster }: Row) => formatSpread(timesFaster[name], 1),
  })),
];
const COSTS: readonly Column<Row>[] = [
  { title: 'operations', text: ({ traffic }) => formatOperations(traffic) },
  { title: 'kB in', text: ({ traffic }) => formatKilobytes(traffic) },
];

export function reportLists({ lists, changes }: ListRows): void {
  report<ListRow>(
    'zookeeper, first list, from opening a session to the whole list; median (min-max)',
    [
      ...CONTENDER,
      ...TIMES,
      { title: 'first in its process, ms', text: ({ coldMilliseconds }) => coldMilliseconds.toFixed(1) },
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
