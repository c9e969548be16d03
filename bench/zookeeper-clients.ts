/** The clients by themselves: reads in a second, and whether memory stays flat over many sessions and watches. */
import { type Column, formatSpread, ratios, report, type Spread, spreadOf } from './harness.js';
import { progress } from './progress.js';
import { atOnce, type Experiment, inTurns, type Results, resultsOf } from './turns.js';
import {
  CLIENTS,
  type ClientExperiment,
  type ClientName,
  type GetsRound,
  type Memory,
  type MemoryRound,
  PACKAGES,
  type Package,
} from './zookeeper-experiments.js';

export interface ClientAmounts {
  readonly rounds: number;
  /** Sessions opened and closed. */
  readonly cycles: number;
  /** Watches that fire. */
  readonly watches: number;
}

interface Place {
  readonly address: string;
  readonly service: string;
  /** Instances of the service: those that are read, watched and changed. */
  readonly ids: readonly string[];
}

interface GetsRow {
  readonly contender: ClientName;
  readonly way: keyof GetsRound;
  readonly perSecond: Spread;
  /** How many times as many as each package. */
  readonly timesFaster: Readonly<Record<Package, Spread>>;
}

interface MemoryRow extends MemoryRound {
  readonly contender: ClientName;
  readonly work: string;
}

export async function benchClients(place: Place, { rounds, cycles, watches }: ClientAmounts): Promise<void> {
  progress(`reads in a second, ${rounds} rounds`);
  reportGets(await inTurns<ClientName, GetsRound>(experimentOf('gets', place, 0), rounds));
  progress(`memory over ${cycles} sessions of each client`);
  const sessions = await atOnce<ClientName, MemoryRound>(experimentOf('cycles', place, cycles));
  progress(`memory over ${watches} watches of each client`);
  const fired = await atOnce<ClientName, MemoryRound>(experimentOf('watches', place, watches));
  reportMemory([
    ...memoryRows(`${cycles} sessions opened and closed`, sessions),
    ...memoryRows(`${watches} watches fired`, fired),
  ]);
}

function experimentOf(
  experiment: ClientExperiment,
  { address, service, ids }: Place,
  amount: number,
): Experiment<ClientName> {
  const args = [experiment, address, service, `${amount}`, ...ids];
  return { contenders: CLIENTS, program: './zookeeper-client-contender.js', args };
}

function reportGets(gets: Results<ClientName, GetsRound>): void {
  const speeds = (name: ClientName, way: keyof GetsRound): number[] =>
    resultsOf(gets, name).map((round) => round[way]);
  const rowOf = (contender: ClientName, way: keyof GetsRound): GetsRow => {
    const own = speeds(contender, way);
    const against = (name: Package): [Package, Spread] => [name, spreadOf(ratios(own, speeds(name, way)))];
    const timesFaster = Object.fromEntries(PACKAGES.map(against)) as Record<Package, Spread>;
    return { contender, way, perSecond: spreadOf(own), timesFaster };
  };
  const ways = ['sequential', 'pipelined'] as const;
  report<GetsRow>(
    'zookeeper, reads of one node in a second; median (min-max)',
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'way', text: ({ way }) => way },
      { title: 'reads/s', text: ({ perSecond }) => formatSpread(perSecond, 0) },
      ...PACKAGES.map((name) => ({
        title: `x the speed of ${name}`,
        text: ({ timesFaster }: GetsRow) => formatSpread(timesFaster[name]),
      })),
    ],
    ways.flatMap((way) => CLIENTS.map((contender) => rowOf(contender, way))),
  );
}

function memoryRows(work: string, results: Results<ClientName, MemoryRound>): MemoryRow[] {
  return CLIENTS.map((contender) => ({
    contender,
    work,
    ...(resultsOf(results, contender)[0] as MemoryRound),
  }));
}

function memoryColumn(title: string, field: keyof Memory): Column<MemoryRow> {
  const text = ({ memory }: MemoryRow): string =>
    memory.map((at) => at[field].toFixed(1).padStart(5)).join(' -> ');
  return { title, text };
}

function reportMemory(rows: readonly MemoryRow[]): void {
  report<MemoryRow>(
    'zookeeper, memory after a tenth, half and all of the work; all clients at the same time',
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'work', text: ({ work }) => work },
      memoryColumn('heap MiB', 'heapMiB'),
      memoryColumn('resident MiB', 'residentMiB'),
      { title: 'ms for each', text: ({ ms }) => ms.toFixed(2) },
    ],
    rows,
  );
}
