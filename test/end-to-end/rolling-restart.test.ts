/**
 * A fleet is restarted under load, and a caller that tries nothing twice loses no request. Each of the twenty instances
 * is two processes as in production, and what they have to share with the caller and the registry here is two cores.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { connect, type ServiceHandle } from '../../resolver/index.js';
import { sharedServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';
import { type InstanceConfig, type LogLine, SupervisedInstance } from './instance.js';
import { ListWatcher } from './list-watcher.js';
import { Load, quantile } from './load.js';
import { eventually } from './world.js';

const INSTANCES = 20;
const AT_ONCE = 4;
const ROUNDS = 3;
const PER_SECOND = 200;
const REQUESTS = 10_000;

/** Sooner than by their TTL, and as late as forty processes can be that wait behind everything else that runs here. */
const TTL_MS = 40_000;
const GONE_WITHIN_MS = TTL_MS / 2;

const LIMIT_MS = 300_000;

const BACKENDS = [
  {
    name: 'ZooKeeper',
    url: () => `zookeeper://${sharedServer('zookeeper')}/rolling-${process.pid}?sessionTimeout=${TTL_MS}ms`,
  },
  { name: 'Consul', url: () => `consul://${sharedServer('consul')}?ttl=${TTL_MS}ms` },
] as const;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-rolling-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('twenty instances are restarted three times, four at a time, at 200 requests a second', () => {
  test.for(BACKENDS)('on $name', { timeout: LIMIT_MS }, async ({ name, url }, { annotate, expect }) => {
    const service = `rolling-${name.toLowerCase()}-${process.pid}`;
    const fleet = new Fleet(await configs(service, url()));
    await using watcher = await ListWatcher.of(url(), service);
    await using discovery = await connect(url());
    await using caller = discovery.service(service);
    try {
      await fleet.start();
      await caller.ready({ minEndpoints: INSTANCES, timeoutMs: 60_000 });
      const load = new Load({ service: caller, perSecond: PER_SECOND });
      const departures = await restartAll(fleet, { watcher, caller, load });
      await load.reaches(REQUESTS);
      const report = await load.stop();

      await annotate(figures(name, departures, report));
      expect(report.failures).toEqual([]);
      expect(report.sent).toBeGreaterThanOrEqual(REQUESTS);
      expect(departures).toHaveLength(INSTANCES * ROUNDS);
      expect(departures.filter(({ goneAfterMs }) => goneAfterMs > GONE_WITHIN_MS)).toEqual([]);
      expect(departures.filter(({ code }) => code !== 0)).toEqual([]);
      expect(departures.filter(({ wasMarked }) => wasMarked).length).toBeGreaterThan(0.9 * departures.length);
      expect(departures.filter(({ signalledAfterMs }) => !(signalledAfterMs >= 0))).toEqual([]);
      expect(sum(departures.map(({ inFlight }) => inFlight))).toBeGreaterThan(0);
      expect(sum(departures.map(({ leftOver }) => leftOver))).toBe(0);
      expect(watcher.doubles).toEqual([]);
    } finally {
      await fleet.end();
    }
  });
});

/** How one instance left. */
interface Departure {
  readonly id: string;
  /** Requests that the caller had with it when its sidecar was told to end. */
  readonly inFlight: number;
  /** From SIGTERM until somebody else saw the entry gone. */
  readonly goneAfterMs: number;
  readonly wasMarked: boolean;
  /** From the registry's confirmation that the entry is gone until the service got its signal. */
  readonly signalledAfterMs: number;
  /** Requests that the service still worked on when it got its signal. */
  readonly leftOver: number;
  readonly code: number | undefined;
}

interface Observers {
  readonly watcher: ListWatcher;
  readonly caller: ServiceHandle;
  readonly load: Load;
}

class Fleet {
  readonly configs: readonly InstanceConfig[];
  readonly #running = new Map<InstanceConfig, SupervisedInstance>();

  constructor(configs: readonly InstanceConfig[]) {
    this.configs = configs;
  }

  async start(some: readonly InstanceConfig[] = this.configs): Promise<void> {
    const started = some.map(async (config) => {
      this.#running.set(config, await SupervisedInstance.start(config));
    });
    await Promise.all(started);
  }

  running(config: InstanceConfig): SupervisedInstance {
    return this.#running.get(config) as SupervisedInstance;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#running.values()].map((instance) => instance.end()));
  }
}

async function configs(service: string, registry: string): Promise<readonly InstanceConfig[]> {
  const ports = await freePorts(INSTANCES - 1);
  return ports.map((port, i) => ({ service, id: `${service}-${i}`, port, registry, directory }));
}

async function restartAll(fleet: Fleet, observers: Observers): Promise<readonly Departure[]> {
  const departures: Departure[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let first = 0; first < INSTANCES; first += AT_ONCE) {
      const batch = fleet.configs.slice(first, first + AT_ONCE);
      const leaving = batch.map((config) => depart(fleet.running(config), config.id, observers));
      departures.push(...(await Promise.all(leaving)));
      await eventually('the caller knows', () => listed(observers.caller) === INSTANCES - AT_ONCE);
      await fleet.start(batch);
      await eventually('the batch is back', () => listed(observers.caller) === INSTANCES, 60_000);
    }
  }
  return departures;
}

async function depart(
  instance: SupervisedInstance,
  id: string,
  { watcher, load }: Observers,
): Promise<Departure> {
  const inFlight = load.inFlight(id);
  const toldAt = performance.now();
  const { code } = await instance.terminate();
  const goneAt = await watcher.gone(id, toldAt);
  const signalled = instance.events.find(({ event }) => event === 'SIGTERM');
  return {
    id,
    inFlight,
    goneAfterMs: goneAt - toldAt,
    wasMarked: watcher.since(toldAt, id)[0]?.status === 'draining',
    signalledAfterMs: (signalled?.at ?? Number.NaN) - timeOf(instance.log, 'deregistered'),
    leftOver: signalled?.inFlight ?? Number.NaN,
    code,
  };
}

function listed(caller: ServiceHandle): number {
  return caller.snapshot?.instances.filter(({ status }) => status === 'passing').length ?? 0;
}

/** Milliseconds since the epoch. */
function timeOf(log: readonly LogLine[], message: string): number {
  return Date.parse(String(log.find((line) => line.message === message)?.time));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function figures(
  backend: string,
  departures: readonly Departure[],
  { sent, failures, latenessMs, latencyMs }: Awaited<ReturnType<Load['stop']>>,
): string {
  const gone = departures.map(({ goneAfterMs }) => goneAfterMs).toSorted((a, b) => a - b);
  const inFlight = sum(departures.map(({ inFlight }) => inFlight));
  const both = (values: readonly number[], share: number): string =>
    `p50 ${quantile(values, 0.5).toFixed(1)} ms, p${share * 100} ${quantile(values, share).toFixed(1)} ms`;
  return [
    `${backend}: ${failures.length} of ${sent} requests failed`,
    `${inFlight} were in flight at SIGTERM`,
    `entries gone after ${both(gone, 1)}`,
    `latency ${both(latencyMs, 0.99)}`,
    `the caller was late by ${both(latenessMs, 1)}`,
  ].join('; ');
}
