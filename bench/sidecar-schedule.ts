/**
 * Whether checks come when they are due, with a hundred services and with a thousand. Each probe's newest results, as
 * `/v1/status` shows them, are compared with the schedule that its first one began: one second after the other, no jitter.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { sleep, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { report } from './harness.js';
import { memoryOf, processorMsOf } from './process-usage.js';
import { progress } from './progress.js';
import { adminUrlOf, end, startSidecar } from './sidecar-process.js';

const INTERVAL_MS = 1_000;
const SETTLE_MS = 5_000;

interface Row {
  readonly contender: string;
  readonly checks: number;
  /** How far from the schedule, in milliseconds. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** From the first to the last result that was looked at, what a second was too long or too short, in ms. */
  readonly driftMs: number;
  readonly processorPercent: number;
  readonly residentMiB: number;
}

interface Status {
  readonly services: readonly {
    readonly health: { readonly probes: readonly { readonly recent: readonly { readonly at: number }[] }[] };
  }[];
}

export interface ScheduleSettings {
  /** How many services a sidecar has. */
  readonly services: readonly number[];
  readonly windowMs: number;
}

/** @param folder a folder of the bench's own, for the configuration and the registry. */
export async function benchSchedule(folder: string, { services, windowMs }: ScheduleSettings): Promise<void> {
  const target = createServer((socket) => socket.on('error', () => {}));
  await once(target.listen(0, '127.0.0.1'), 'listening');
  const { port } = target.address() as AddressInfo;
  const rows: Row[] = [];
  try {
    for (const count of services) rows.push(await measure(folder, port, count, windowMs));
  } finally {
    target.close();
  }
  report<Row>(
    'checks and when they were due, every second, tcp; one window',
    [
      { title: 'sidecar', text: ({ contender }) => contender },
      { title: 'checks', text: ({ checks }) => `${checks}` },
      { title: 'off by, median ms', text: ({ medianMs }) => medianMs.toFixed(1) },
      { title: 'p99', text: ({ p99Ms }) => p99Ms.toFixed(1) },
      { title: 'worst', text: ({ worstMs }) => worstMs.toFixed(1) },
      { title: 'drift, ms a second', text: ({ driftMs }) => driftMs.toFixed(2) },
      { title: 'CPU, % of a core', text: ({ processorPercent }) => processorPercent.toFixed(1) },
      { title: 'resident MiB', text: ({ residentMiB }) => residentMiB.toFixed(1) },
    ],
    rows,
  );
}

async function measure(folder: string, port: number, count: number, windowMs: number): Promise<Row> {
  progress(`${count} services on time, ${windowMs / 1000} s`);
  const closers = new CloseStack();
  try {
    const config = join(folder, `schedule-${count}.json`);
    await writeFile(config, JSON.stringify(configOf(count, port, folder)));
    const child = startSidecar(['--config', config]);
    closers.defer(() => end(child));
    const adminUrl = await adminUrlOf(child);
    await sleep(systemClock, SETTLE_MS);
    const pid = child.pid as number;
    const [before, startedAt] = [await processorMsOf(pid), systemClock.now()];
    await sleep(systemClock, windowMs);
    const used = (await processorMsOf(pid)) - before;
    const processorPercent = (100 * used) / (systemClock.now() - startedAt);
    const response = await fetch(`${adminUrl}/v1/status`);
    const times = timesIn((await response.json()) as Status);
    const { residentMiB } = await memoryOf(pid);
    return { contender: `${count} services`, ...deviation(times), processorPercent, residentMiB };
  } finally {
    await closers.close();
  }
}

function configOf(count: number, port: number, folder: string): object {
  const services = Array.from({ length: count }, (_, index) => ({
    name: `due-${index}`,
    id: `of-${count}`,
    port,
    address: '127.0.0.1',
    probes: [{ type: 'tcp', hold: false }],
  }));
  const timing = { interval: '1s', timeout: '900ms', jitter: 0, drainWait: '0s' };
  return { registry: `local:${join(folder, 'registry')}`, admin: '127.0.0.1:0', ...timing, services };
}

/** For each probe, when its last results came, in milliseconds since the epoch. */
function timesIn({ services }: Status): readonly (readonly number[])[] {
  return services.flatMap(({ health }) => health.probes.map(({ recent }) => recent.map(({ at }) => at)));
}

function deviation(
  times: readonly (readonly number[])[],
): Pick<Row, 'checks' | 'medianMs' | 'p99Ms' | 'worstMs' | 'driftMs'> {
  const offs = times.flatMap((probe) => {
    const phases = probe.map((at, i) => at - i * INTERVAL_MS);
    // A clock in whole milliseconds and a first check that was late itself: the median phase is the schedule.
    const due = phases.toSorted((a, b) => a - b)[phases.length >> 1] as number;
    return phases.map((phase) => Math.abs(phase - due));
  });
  const sorted = offs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const drifts = times.map((probe) => {
    const seconds = probe.length - 1;
    return ((probe.at(-1) as number) - (probe[0] as number)) / seconds - INTERVAL_MS;
  });
  return {
    checks: offs.length,
    medianMs: at(0.5),
    p99Ms: at(0.99),
    worstMs: at(1),
    driftMs: drifts.reduce((sum, drift) => sum + drift, 0) / drifts.length,
  };
}
