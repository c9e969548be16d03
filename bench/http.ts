/**
 * What a request costs that is sent through pilotfish, beside the ways that Node teams have today: a loop over undici's pools
 * written by hand, undici's BalancedPool, and a proxy on the same machine. Requests in a second, and how long the
 * slow ones take, also while one backend is slow or fails.
 */
import { apartCores, type Cores } from './cores.js';
import {
  ChildContender,
  formatSpread,
  interleave,
  ratios,
  report,
  type Spread,
  spreadOf,
} from './harness.js';
import type { HttpRound } from './http-load.js';
import { REFERENCE, SCENARIOS, type Scenario } from './http-scenarios.js';
import { type HttpServers, startHttpServers } from './http-servers.js';
import { progress } from './progress.js';

interface Settings {
  readonly turnMs: number;
  /** Before each turn: connections that nobody used meanwhile are made again. */
  readonly warmUpMs: number;
  /** Rounds at first that do not count: those in which the code is compiled. */
  readonly uncounted: number;
  /** Rounds that count, of each process. */
  readonly counted: number;
  readonly generationsOf: (full: number) => number;
}

const FULL: Settings = {
  turnMs: 750,
  warmUpMs: 150,
  uncounted: 1,
  counted: 3,
  generationsOf: (full) => full,
};
const QUICK: Settings = { turnMs: 300, warmUpMs: 50, uncounted: 0, counted: 1, generationsOf: () => 1 };

interface Row {
  readonly contender: string;
  readonly perSecond: Spread;
  readonly timesHandWritten: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly failedPercent: number;
  readonly processorUs: Spread;
}

export async function benchHttp({ quick }: { readonly quick: boolean }): Promise<void> {
  const cores = await apartCores();
  progress(`starting backends, nginx and HAProxy; ${cores.text}`);
  const servers = await startHttpServers(
    SCENARIOS.flatMap(({ contenders }) => contenders),
    cores.servers,
  );
  try {
    for (const scenario of SCENARIOS) await measure(scenario, servers, cores, quick ? QUICK : FULL);
  } finally {
    await servers.close();
  }
}

/** Of each contender, by name. */
type Results = ReadonlyMap<string, readonly HttpRound[]>;

const CONTENDER = new URL('./http-contender.js', import.meta.url);

/** Two processes with the same code differ by some percent for as long as they live, so each contender has several. */
async function measure(
  { title, contenders, generations }: Scenario,
  servers: HttpServers,
  { client }: Cores,
  settings: Settings,
): Promise<void> {
  const all = new Map<string, HttpRound[]>(contenders.map(({ name }) => [name, []]));
  const count = settings.generationsOf(generations);
  for (let generation = 1; generation <= count; generation++) {
    progress(`${title}, processes ${generation} of ${count}`);
    const children = contenders.map((contender) => {
      const { turnMs, warmUpMs } = settings;
      const args = [contender.way, `${turnMs}`, `${warmUpMs}`, ...servers.targetsOf(contender)];
      return new ChildContender<HttpRound>(contender.name, CONTENDER, args, client.fork);
    });
    for (const [name, rounds] of await oneGeneration(children, settings)) all.get(name)?.push(...rounds);
  }
  reportHttp(title, all);
}

async function oneGeneration(
  children: readonly ChildContender<HttpRound>[],
  { uncounted, counted }: Settings,
): Promise<Results> {
  try {
    const results = await interleave(children, uncounted + counted);
    return new Map([...results].map(([name, rounds]) => [name, rounds.slice(uncounted)]));
  } finally {
    await Promise.all(children.map((child) => child.close()));
  }
}

function reportHttp(title: string, results: Results): void {
  const figures = (name: string, figure: keyof HttpRound): number[] =>
    (results.get(name) as readonly HttpRound[]).map((round) => round[figure]);
  const spread = (name: string, figure: keyof HttpRound): Spread => spreadOf(figures(name, figure));
  const total = (name: string, figure: keyof HttpRound): number =>
    figures(name, figure).reduce((sum, each) => sum + each, 0);
  const reference = figures(REFERENCE, 'perSecond');
  report<Row>(
    `http, 64 requests in flight, ${title}; median (min-max)`,
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'requests/s', text: ({ perSecond }) => formatSpread(perSecond, 0) },
      { title: 'x hand-written', text: ({ timesHandWritten }) => formatSpread(timesHandWritten) },
      { title: 'p50 ms', text: ({ p50Ms }) => formatSpread(p50Ms) },
      { title: 'p99 ms', text: ({ p99Ms }) => formatSpread(p99Ms, 1) },
      { title: 'failed', text: ({ failedPercent }) => `${failedPercent.toFixed(2)} %` },
      { title: 'CPU us/request', text: ({ processorUs }) => formatSpread(processorUs, 1) },
    ],
    [...results.keys()].map((contender) => ({
      contender,
      perSecond: spread(contender, 'perSecond'),
      timesHandWritten: spreadOf(ratios(figures(contender, 'perSecond'), reference)),
      p50Ms: spread(contender, 'p50Ms'),
      p99Ms: spread(contender, 'p99Ms'),
      failedPercent: (100 * total(contender, 'failed')) / total(contender, 'requests'),
      processorUs: spread(contender, 'processorUs'),
    })),
  );
}
