/**
 * What a pick costs: through a service handle, as a caller pays it, beside the bare loop that indexes an array by a
 * counter, by `Math.random()`, by the better of two of these, or by the hash of a key. Policies that count what is in
 * flight include `done()`. One process for each contender and size.
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
const QUICK_SIZES = [10, 1000];
const QUICK_ROUNDS = 2;

/** Each contender with the bare loop that it is compared with. */
const FLOOR_OF: Readonly<Record<PickContender, PickContender>> = {
  'bare counter': 'bare counter',
  'round-robin': 'bare counter',
  'round-robin, weighted': 'bare counter',
  'round-robin, all weights differ': 'bare counter',
  'round-robin, slow start over': 'bare counter',
  'bare Math.random': 'bare Math.random',
  random: 'bare Math.random',
  'random, weighted': 'bare Math.random',
  'bare two choices': 'bare two choices',
  'least loaded': 'bare two choices',
  'least loaded, weighted': 'bare two choices',
  'peak EWMA': 'bare two choices',
  'bare hash': 'bare hash',
  'consistent hash': 'bare hash',
  sticky: 'bare hash',
};
const NAMES = Object.keys(FLOOR_OF) as PickContender[];

interface Row {
  readonly contender: PickContender;
  readonly endpoints: number;
  readonly nanoseconds: Spread;
  readonly timesFloor: Spread;
  readonly bytes: number;
}

/** @param options With `quick` fewer sizes and rounds, so wider spreads. */
export async function benchPick({ quick = false }: { readonly quick?: boolean } = {}): Promise<void> {
  const rows: Row[] = [];
  for (const size of quick ? QUICK_SIZES : SIZES) {
    rows.push(...(await measure(size, quick ? QUICK_ROUNDS : ROUNDS)));
  }
  report<Row>(
    'pick(), one service handle: ns, times the bare loop of the same round, bytes; median (min-max)',
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'endpoints', text: ({ endpoints }) => `${endpoints}` },
      { title: 'ns/pick', text: ({ nanoseconds }) => formatSpread(nanoseconds) },
      { title: 'x floor', text: ({ timesFloor }) => formatSpread(timesFloor) },
      { title: 'bytes/pick', text: ({ bytes }) => bytes.toFixed(1) },
    ],
    rows.toSorted((a, b) => NAMES.indexOf(a.contender) - NAMES.indexOf(b.contender)),
  );
}

async function measure(endpoints: number, rounds: number): Promise<Row[]> {
  const program = new URL('./pick-contender.js', import.meta.url);
  const contenders = NAMES.map(
    (name) => new ChildContender<PickRound>(name, program, [name, `${endpoints}`]),
  );
  try {
    const results = await interleave(contenders, rounds);
    const times = (name: PickContender): number[] =>
      (results.get(name) as readonly PickRound[]).map(({ nanoseconds }) => nanoseconds);
    return NAMES.map((contender) => ({
      contender,
      endpoints,
      nanoseconds: spreadOf(times(contender)),
      timesFloor: spreadOf(ratios(times(contender), times(FLOOR_OF[contender]))),
      bytes: spreadOf((results.get(contender) as readonly PickRound[]).map(({ bytes }) => bytes)).median,
    }));
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}
