/** Compares contenders that read and follow the same list, with the least of them as the floor, and prints two tables. */
import { type Column, formatSpread, ratios, report, type Spread, spreadOf } from './harness.js';
import type { ChangeRound, CountRound, ListRound } from './list-rounds.js';
import { progress } from './progress.js';
import { formatKilobytes, formatOperations, type Traffic } from './traffic.js';
import { inProcesses, type Results, resultsOf } from './turns.js';

export interface Comparison<Name extends string, Change extends string> {
  readonly contenders: readonly Name[];
  /** The one that the others are measured by. */
  readonly floor: Name;
  readonly changes: readonly Change[];
  /** What a contender's process runs. */
  readonly program: string;
}

export interface ComparedList {
  readonly address: string;
  readonly service: string;
  /** How many instances are in it. */
  readonly instances: number;
}

interface Row {
  readonly contender: string;
  readonly instances: number;
  readonly milliseconds: Spread;
  /** How many times as long as the floor of the same round. */
  readonly timesFloor: Spread;
  readonly traffic: Traffic;
}

interface ListRow extends Row {
  /** The first one of the process, in which the code was not yet compiled. */
  readonly coldMilliseconds: number;
  readonly stallMilliseconds: Spread;
}

interface ChangeRow extends Row {
  readonly change: string;
}

export interface ListRows {
  readonly lists: readonly ListRow[];
  readonly changes: readonly ChangeRow[];
}

export function compareLists<Name extends string, Change extends string>(
  comparison: Comparison<Name, Change>,
  { address, service, instances }: ComparedList,
  rounds: number,
): Promise<ListRows> {
  const { contenders, program } = comparison;
  const args = [address, service, `${instances}`];
  return inProcesses({ contenders, program, args }, async (takeTurns) => {
    progress(`first list of ${instances} instances, ${rounds} rounds`);
    const lists = await takeTurns<ListRound>('list', 1 + rounds);
    progress(`one change among ${instances} instances, ${rounds} rounds`);
    const changes = await takeTurns<ChangeRound<Change>>('change', rounds);
    progress(`counting the operations with ${instances} instances`);
    const counts = await takeTurns<CountRound<Change>>('count', 1);
    return {
      lists: listRows(comparison, instances, lists, counts),
      changes: changeRows(comparison, instances, changes, counts),
    };
  });
}

function listRows<Name extends string, Change extends string>(
  { contenders, floor }: Comparison<Name, Change>,
  instances: number,
  lists: Results<Name, ListRound>,
  counts: Results<Name, CountRound<Change>>,
): ListRow[] {
  const warm = (name: Name): readonly ListRound[] => resultsOf(lists, name).slice(1);
  const times = (name: Name): number[] => warm(name).map(({ ms }) => ms);
  return contenders.map((contender) => ({
    contender,
    instances,
    ...compared(times(contender), times(floor)),
    coldMilliseconds: (resultsOf(lists, contender)[0] as ListRound).ms,
    stallMilliseconds: spreadOf(warm(contender).map(({ stallMs }) => stallMs)),
    traffic: trafficOf(counts, contender).first,
  }));
}

/** The median of each round, so that a slow moment of the machine counts as one. */
function changeRows<Name extends string, Change extends string>(
  { contenders, floor, changes }: Comparison<Name, Change>,
  instances: number,
  rounds: Results<Name, ChangeRound<Change>>,
  counts: Results<Name, CountRound<Change>>,
): ChangeRow[] {
  return changes.flatMap((change) => {
    const times = (name: Name): number[] =>
      resultsOf(rounds, name).map((round) => spreadOf(round[change]).median);
    return contenders.map((contender) => ({
      contender,
      instances,
      change,
      ...compared(times(contender), times(floor)),
      traffic: trafficOf(counts, contender)[change],
    }));
  });
}

function compared(own: number[], floor: number[]): Pick<Row, 'milliseconds' | 'timesFloor'> {
  return { milliseconds: spreadOf(own), timesFloor: spreadOf(ratios(own, floor)) };
}

function trafficOf<Name extends string, Change extends string>(
  counts: Results<Name, CountRound<Change>>,
  name: Name,
): CountRound<Change> {
  return resultsOf(counts, name)[0] as CountRound<Change>;
}

/**
 * @param registry as the titles call it
 * @param contenders what the contenders are, as the head of their column
 */
export function reportLists(
  registry: string,
  contenders: string,
  floor: string,
  measured: readonly ListRows[],
): void {
  const named: readonly Column<Row>[] = [
    { title: contenders, text: ({ contender }) => contender },
    { title: 'instances', text: ({ instances }) => `${instances}` },
  ];
  const times: readonly Column<Row>[] = [
    { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds, 1) },
    { title: `x ${floor}`, text: ({ timesFloor }) => formatSpread(timesFloor) },
  ];
  const costs: readonly Column<Row>[] = [
    { title: 'operations', text: ({ traffic }) => formatOperations(traffic) },
    { title: 'kB in', text: ({ traffic }) => formatKilobytes(traffic) },
  ];
  report<ListRow>(
    `${registry}, first list, from connecting to the whole list; median (min-max)`,
    [
      ...named,
      ...times,
      { title: 'first in its process, ms', text: ({ coldMilliseconds }) => coldMilliseconds.toFixed(1) },
      { title: 'longest stall, ms', text: ({ stallMilliseconds }) => formatSpread(stallMilliseconds, 1) },
      ...costs,
    ],
    measured.flatMap(({ lists }) => lists),
  );
  report<ChangeRow>(
    `${registry}, one change, from sending the write to the new list; median (min-max) of the rounds’ medians`,
    [...named, { title: 'change', text: ({ change }) => change }, ...times, ...costs],
    measured.flatMap(({ changes }) => changes),
  );
}
