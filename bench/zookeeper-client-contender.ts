/** One client of `zookeeper-clients.ts` in its own process, and what a round of each experiment is. */
import { systemClock } from '../runtime/clock.js';
import { exposedGc } from './garbage.js';
import { serveRounds } from './harness.js';
import type { OpenClient, ZkClient } from './zk-client.js';
import { openOwn } from './zk-own.js';
import { openJsPackage } from './zk-package-js.js';
import { openNativePackage } from './zk-package-native.js';
import { entryOf, pathOf } from './zookeeper-entries.js';
import {
  type ClientExperiment,
  type ClientName,
  type GetsRound,
  MEMORY_AFTER,
  type Memory,
  type MemoryRound,
} from './zookeeper-experiments.js';

const OPEN: Readonly<Record<ClientName, OpenClient>> = {
  zookeeper: openNativePackage,
  'node-zookeeper-client': openJsPackage,
  'pilotfish client': openOwn,
};

const SEQUENTIAL_GETS = 1_000;
const PIPELINED_GETS = 5_000;
const BYTES_PER_MIB = 2 ** 20;

const [contender, experiment, address, service, amount, ...ids] = process.argv.slice(2) as [
  ClientName,
  ClientExperiment,
  string,
  string,
  string,
  ...string[],
];
const paths = ids.map((id) => pathOf(service, id));
const openClient = OPEN[contender];

async function getsRound(): Promise<GetsRound> {
  const client = await openClient(address);
  const sequential = await perSecond(SEQUENTIAL_GETS, async () => {
    for (let i = 0; i < SEQUENTIAL_GETS; i++) await client.get(pathAt(i));
  });
  const pipelined = await perSecond(PIPELINED_GETS, () =>
    Promise.all(Array.from({ length: PIPELINED_GETS }, (_, i) => client.get(pathAt(i)))),
  );
  await client.close();
  return { sequential, pipelined };
}

function pathAt(index: number): string {
  return paths[index % paths.length] as string;
}

async function perSecond(pieces: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = systemClock.now();
  await work();
  return (pieces / (systemClock.now() - startedAt)) * 1_000;
}

/** A new session, ended as soon as it is connected. */
function cyclesRound(): Promise<MemoryRound> {
  return measuringMemory(async (cycles) => {
    for (let cycle = 0; cycle < cycles; cycle++) {
      const client = await openClient(address);
      await client.close();
    }
  });
}

/** Watches on some nodes, each of which is then changed; the session stays. */
async function watchesRound(): Promise<MemoryRound> {
  const client = await openClient(address);
  const memory = await measuringMemory(async (watches) => {
    for (let fired = 0; fired < watches; fired += ids.length) await fireAll(client);
  });
  await client.close();
  return memory;
}

async function fireAll(client: ZkClient): Promise<void> {
  const fired = paths.map((path) => {
    return new Promise<void>((resolve, reject) => {
      client.get(path, resolve).catch(reject);
    });
  });
  await Promise.all(ids.map((id, at) => client.set(paths[at] as string, entryOf(service, id, 1))));
  await Promise.all(fired);
}

async function measuringMemory(work: (pieces: number) => Promise<void>): Promise<MemoryRound> {
  const pieces = Number(amount);
  const collect = exposedGc();
  const memory: Memory[] = [];
  const startedAt = systemClock.now();
  let done = 0;
  for (const share of MEMORY_AFTER) {
    await work(pieces * share - done);
    done = pieces * share;
    memory.push(memoryNow(collect));
  }
  return { memory, ms: (systemClock.now() - startedAt) / pieces };
}

function memoryNow(collect: () => void): Memory {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapMiB: heapUsed / BYTES_PER_MIB, residentMiB: rss / BYTES_PER_MIB };
}

const EXPERIMENTS: Readonly<Record<ClientExperiment, () => Promise<GetsRound | MemoryRound>>> = {
  gets: getsRound,
  cycles: cyclesRound,
  watches: watchesRound,
};

serveRounds(EXPERIMENTS[experiment]);
