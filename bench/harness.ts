/**
 * What every benchmark shares. Contenders take turns in shuffled order inside each round, so that a disturbance of the
 * machine hits all of them alike, and results are ratios to a floor measured in the same run. Reports, never asserts.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Random, shuffled, systemRandom } from '../runtime/random.js';

export interface Contender<R> {
  readonly name: string;
  /** One round of work. */
  run(): R | Promise<R>;
}

/** Every contender's results, in the order of the rounds: results of one round share an index. */
export async function interleave<R>(
  contenders: readonly Contender<R>[],
  rounds: number,
  random: Random = systemRandom(),
): Promise<ReadonlyMap<string, readonly R[]>> {
  const results = new Map<string, R[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of shuffled(contenders, random)) {
      results.get(contender.name)?.push(await contender.run());
    }
  }
  return results;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** How many times the floor, round by round. */
export function ratios(samples: readonly number[], floor: readonly number[]): readonly number[] {
  return samples.map((sample, round) => sample / (floor[round] as number));
}

/** `2.31 (2.20-2.52)`. */
export function formatSpread({ median, min, max }: Spread, digits = 2): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;
}

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
}

/** Prints a table for people, or with `--json` on the command line one JSON object with the raw rows. */
export function report<Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[]): void {
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ title, rows })}\n`);
    return;
  }
  const lines = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map(({ text }) => text(row))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => (line[at] as string).length)));
  const printed = lines.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] as number))
      .join('  ')
      .trimEnd(),
  );
  process.stdout.write(`\n${title}\n\n${printed.join('\n')}\n`);
}

/** A contender in a process of its own, where nothing else shapes how its code is compiled. */
export class ChildContender<R> implements Contender<R> {
  readonly name: string;
  readonly #child: ChildProcess;

  /** @param file A program that calls `serveRounds`. */
  constructor(name: string, file: URL, args: readonly string[], options: ForkOptions = {}) {
    this.name = name;
    this.#child = fork(file, args, options);
  }

  /** @param what for a program that knows several sorts of rounds */
  async run(what = 'round'): Promise<R> {
    const ended = new AbortController();
    const { signal } = ended;
    const exit = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error(`the process of ${this.name} ended`);
    });
    const answer = once(this.#child, 'message', { signal }) as Promise<[R]>;
    this.#child.send(what);
    try {
      return (await Promise.race([answer, exit]))[0];
    } finally {
      ended.abort();
      await Promise.allSettled([answer, exit]);
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exit;
  }
}

/** The child's side of `ChildContender`: answers each request with the result of one round. Ends with the parent. */
export function serveRounds<R>(run: (what: string) => R | Promise<R>): void {
  endWithParent();
  process.on('message', async (what: string) => {
    process.send?.(await run(what));
  });
}

/** Ends this process when the one that forked it has let go of it, also while connections are open. */
export function endWithParent(): void {
  process.once('disconnect', () => process.exit());
  if (!process.connected) process.exit();
}
