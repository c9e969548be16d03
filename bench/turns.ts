/** Contenders in processes of their own, for the time of one experiment. */
import { ChildContender, interleave } from './harness.js';

/** By contender, in the order of the rounds. */
export type Results<Name extends string, R> = ReadonlyMap<Name, readonly R[]>;

export interface Experiment<Name extends string> {
  readonly contenders: readonly Name[];
  /** What a contender's process runs; it is given the contender's name and `args`. */
  readonly program: string;
  readonly args: readonly string[];
}

/** In turns. */
export function inTurns<Name extends string, R>(
  experiment: Experiment<Name>,
  rounds: number,
): Promise<Results<Name, R>> {
  return withProcesses<Name, R, Results<Name, R>>(
    experiment,
    async (children) => (await interleave(children, rounds)) as Results<Name, R>,
  );
}

/** Some rounds of one sort, in turns. */
export type TakeTurns<Name extends string> = <R>(what: string, rounds: number) => Promise<Results<Name, R>>;

/** Several sorts of rounds in the same processes. */
export function inProcesses<Name extends string, T>(
  experiment: Experiment<Name>,
  work: (takeTurns: TakeTurns<Name>) => Promise<T>,
): Promise<T> {
  return withProcesses<Name, unknown, T>(experiment, (children) =>
    work(async <R>(what: string, rounds: number) => {
      const contenders = children.map((child) => ({ name: child.name, run: () => child.run(what) }));
      return (await interleave(contenders, rounds)) as Results<Name, R>;
    }),
  );
}

/** One round of all at once, for what is not a matter of time. */
export function atOnce<Name extends string, R>(experiment: Experiment<Name>): Promise<Results<Name, R>> {
  return withProcesses<Name, R, Results<Name, R>>(experiment, async (children) => {
    const results = await Promise.all(children.map((child) => child.run()));
    return new Map(experiment.contenders.map((name, at) => [name, [results[at] as R]]));
  });
}

async function withProcesses<Name extends string, R, T>(
  { contenders, program, args }: Experiment<Name>,
  work: (children: readonly ChildContender<R>[]) => Promise<T>,
): Promise<T> {
  const file = new URL(program, import.meta.url);
  const children = contenders.map((name) => new ChildContender<R>(name, file, [name, ...args]));
  try {
    return await work(children);
  } finally {
    await Promise.all(children.map((child) => child.close()));
  }
}

/** Every contender has as many results as there were rounds. */
export function resultsOf<Name extends string, R>(results: Results<Name, R>, name: Name): readonly R[] {
  return results.get(name) as readonly R[];
}
