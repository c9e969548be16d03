/**
 * What a pick and its `done()` cost: through a service handle, as a caller pays it, beside the bare loop that is the
 * least for its kind, and beside the balancers that Node.js has otherwise. One process for each contender and size.
 */
import {
  ChildContender,
  formatSpread,
  interleave,
  ratios,
  report,
  type Spread,
  spreadOf,
} from './harness.js';
import type { PickContender, PickRound } from './pick-contender.js';

const SIZES = [3, 10, 100, 1000, 10_000];
const ROUNDS = 7;
const QUICK_SIZES = [100];
const QUICK_ROUNDS = 1;

/** Each contender with the bare loop that it is compared with. */
const FLOOR_OF: Readonly<Record<PickContender, PickContender>> = {
  'bare counter': 'bare counter',
  'round-robin': 'bare counter',
  'round-robin, slow start over': 'bare counter',
  'grpc-js round_robin': 'bare counter',
  'moleculer RoundRobin': 'bare counter',
  'bare heap of turns': 'bare heap of turns',
  'round-robin, weighted': 'bare heap of turns',
  'round-robin, all weights differ': 'bare heap of turns',
  'grpc-js weighted_round_robin': 'bare heap of turns',
  'undici BalancedPool': 'bare heap of turns',
  'bare Math.random': 'bare Math.random',
  random: 'bare Math.random',
  'moleculer Random': 'bare Math.random',
  'bare alias table': 'bare alias table',
  'random, weighted': 'bare alias table',
  'bare two choices': 'bare two choices',
  'bare two choices, no branch': 'bare two choices',
  'least loaded': 'bare two choices',
  'least loaded, weighted': 'bare two choices',
  'peak EWMA': 'bare two choices',
  'bare hash': 'bare hash',
  'consistent hash': 'bare hash',
  sticky: 'bare hash',
};
const NAMES = Object.keys(FLOOR_OF) as PickContender[];

/** One contender at one size. */
interface Cell {
  readonly endpoints: number;
  readonly nanoseconds: Spread;
  readonly timesFloor: Spread;
  readonly bytes: number;
}

interface Row {
  readonly contender: PickContender;
  readonly sizes: readonly Cell[];
}

/** @param options With `quick` fewer sizes and rounds, so wider spreads. */
export async function benchPick({ quick = false }: { readonly quick?: boolean } = {}): Promise<void> {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const cells = new Map<PickContender, Cell[]>(NAMES.map((name) => [name, []]));
  for (const size of sizes) {
    const measured = await measure(size, quick ? QUICK_ROUNDS : ROUNDS);
    for (const [contender, cell] of measured) cells.get(contender)?.push(cell);
  }
  const rows = NAMES.map((contender) => ({ contender, sizes: cells.get(contender) as Cell[] }));
  print('pick and done, ns by number of endpoints; median (min-max)', sizes, rows, ({ nanoseconds }) =>
    formatSpread(nanoseconds, 1),
  );
  print(
    'pick and done, times the bare loop of the same round; median (min-max)',
    sizes,
    rows,
    ({ timesFloor }) => formatSpread(timesFloor),
  );
  print('pick and done, bytes allocated', sizes, rows, ({ bytes }) => bytes.toFixed(1));
}

function print(
  title: string,
  sizes: readonly number[],
  rows: readonly Row[],
  text: (cell: Cell) => string,
): void {
  const columns = sizes.map((size, at) => ({
    title: `${size}`,
    text: (row: Row) => text(row.sizes[at] as Cell),
  }));
  report<Row>(title, [{ title: 'contender', text: ({ contender }) => contender }, ...columns], rows);
}

async function measure(endpoints: number, rounds: number): Promise<ReadonlyMap<PickContender, Cell>> {
  const program = new URL('./pick-contender.js', import.meta.url);
  const contenders = NAMES.map(
    (name) => new ChildContender<PickRound>(name, program, [name, `${endpoints}`]),
  );
  try {
    const results = await interleave(contenders, rounds);
    const of = (name: PickContender): readonly PickRound[] => results.get(name) as readonly PickRound[];
    const times = (name: PickContender): number[] => of(name).map(({ nanoseconds }) => nanoseconds);
    const cell = (name: PickContender): Cell => ({
      endpoints,
      nanoseconds: spreadOf(times(name)),
      timesFloor: spreadOf(ratios(times(name), times(FLOOR_OF[name]))),
      bytes: spreadOf(of(name).map(({ bytes }) => bytes)).median,
    });
    return new Map(NAMES.map((name) => [name, cell(name)]));
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}
