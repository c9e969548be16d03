/**
 * What a sidecar uses while nothing happens but its checks. All processes run side by side through the same windows of
 * time, so that a disturbance of the machine hits them alike.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sleep, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { formatSpread, ratios, report, type Spread, spreadOf } from './harness.js';
import { type Memory, memoryOf, processorMsOf } from './process-usage.js';
import { progress } from './progress.js';
import { adminUrlOf, end, IDLE_SCRIPT, startNode, startSidecar } from './sidecar-process.js';

export interface RestSettings {
  /** How many services a sidecar has. */
  readonly services: readonly number[];
  readonly windows: number;
  readonly windowMs: number;
}

type ProbeText = 'tcp' | 'http:/';
const PROBES: readonly ProbeText[] = ['tcp', 'http:/'];

const BARE = 'bare node';
/** After everything is registered, so that the start itself is not measured. */
const SETTLE_MS = 3_000;
const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 100;

interface Running {
  readonly name: string;
  readonly pid: number;
}

/** One process in one window. */
interface Usage extends Memory {
  /** Share of one core. */
  readonly processorPercent: number;
}

interface Row {
  readonly contender: string;
  readonly residentMiB: Spread;
  readonly timesBareResident: Spread;
  readonly anonymousMiB: Spread;
  readonly processorPercent: Spread;
  /** Over all windows; null when the bare process had no processor time at all. */
  readonly timesBareProcessor: number | null;
}

/** @param folder a folder of the bench's own, for the configuration and the registry. */
export async function benchRest(folder: string, settings: RestSettings): Promise<void> {
  if (!existsSync('/proc/self/smaps_rollup')) {
    progress('memory and processor time at rest are read from /proc, which this system does not have');
    return;
  }
  const closers = new CloseStack();
  try {
    const running = await startAll(folder, settings, closers);
    await sleep(systemClock, SETTLE_MS);
    reportRest(running, await observe(running, settings));
  } finally {
    await closers.close();
  }
}

async function startAll(
  folder: string,
  { services }: RestSettings,
  closers: CloseStack,
): Promise<readonly Running[]> {
  const port = await startTarget(closers);
  const running = [runningAs(BARE, startNode(IDLE_SCRIPT), closers)];
  for (const count of services) {
    for (const probe of PROBES) {
      progress(`starting a sidecar with ${count} services, ${probe}`);
      const config = join(folder, `${count}-${probe.slice(0, 4)}.json`);
      await writeFile(config, JSON.stringify(configOf(count, probe, port, folder)));
      const child = startSidecar(['--config', config]);
      running.push(runningAs(`sidecar, ${count} x ${probe.replace(':/', '')}`, child, closers));
      await untilReady(await adminUrlOf(child));
    }
  }
  return running;
}

function runningAs(name: string, child: ChildProcess, closers: CloseStack): Running {
  closers.defer(() => end(child));
  return { name, pid: child.pid as number };
}

/** The one local service that every probe asks. */
async function startTarget(closers: CloseStack): Promise<number> {
  const server = createServer((_request, response) => response.end('ok'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closers.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function configOf(count: number, probe: ProbeText, port: number, folder: string): object {
  const services = Array.from({ length: count }, (_, index) => ({
    name: `bench-${index}`,
    id: `${count}-${probe.slice(0, 4)}`,
    port,
    address: '127.0.0.1',
    probes: [probe],
  }));
  const registry = `local:${join(folder, 'registry')}`;
  return { registry, interval: '1s', timeout: '900ms', admin: '127.0.0.1:0', services };
}

async function untilReady(adminUrl: string): Promise<void> {
  const deadline = systemClock.now() + READY_LIMIT_MS;
  while (systemClock.now() < deadline) {
    const { ok } = await fetch(`${adminUrl}/readyz`);
    if (ok) return;
    await sleep(systemClock, READY_POLL_MS);
  }
  throw new Error(`expected the sidecar at ${adminUrl} to register within ${READY_LIMIT_MS} ms`);
}

/** By name, one usage for each window. */
async function observe(
  running: readonly Running[],
  { windows, windowMs }: RestSettings,
): Promise<ReadonlyMap<string, readonly Usage[]>> {
  const usages = new Map<string, Usage[]>(running.map(({ name }) => [name, []]));
  for (let window = 1; window <= windows; window++) {
    progress(`at rest, window ${window} of ${windows}, ${windowMs / 1000} s`);
    const samples = await Promise.all(running.map(({ pid }) => sample(pid, windowMs)));
    for (const [index, usage] of samples.entries()) usages.get((running[index] as Running).name)?.push(usage);
  }
  return usages;
}

async function sample(pid: number, windowMs: number): Promise<Usage> {
  const startedAt = systemClock.now();
  const before = await processorMsOf(pid);
  await sleep(systemClock, windowMs);
  const used = (await processorMsOf(pid)) - before;
  const processorPercent = (100 * used) / (systemClock.now() - startedAt);
  return { processorPercent, ...(await memoryOf(pid)) };
}

function reportRest(running: readonly Running[], usages: ReadonlyMap<string, readonly Usage[]>): void {
  const figures = (name: string, figure: keyof Usage): number[] =>
    (usages.get(name) as readonly Usage[]).map((usage) => usage[figure]);
  const processorOf = (name: string): number => sum(figures(name, 'processorPercent'));
  report<Row>(
    'sidecar at rest, each service checked every second; median (min-max) of the windows',
    [
      { title: 'process', text: ({ contender }) => contender },
      { title: 'resident MiB', text: ({ residentMiB }) => formatSpread(residentMiB, 1) },
      { title: 'x bare', text: ({ timesBareResident }) => formatSpread(timesBareResident) },
      { title: 'anonymous MiB', text: ({ anonymousMiB }) => formatSpread(anonymousMiB, 1) },
      { title: 'CPU, % of a core', text: ({ processorPercent }) => formatSpread(processorPercent) },
      { title: 'x bare', text: ({ timesBareProcessor }) => timesBareProcessor?.toFixed(0) ?? 'bare: none' },
    ],
    running.map(({ name }) => ({
      contender: name,
      residentMiB: spreadOf(figures(name, 'residentMiB')),
      timesBareResident: spreadOf(ratios(figures(name, 'residentMiB'), figures(BARE, 'residentMiB'))),
      anonymousMiB: spreadOf(figures(name, 'anonymousMiB')),
      processorPercent: spreadOf(figures(name, 'processorPercent')),
      timesBareProcessor: processorOf(BARE) === 0 ? null : processorOf(name) / processorOf(BARE),
    })),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
