/** A real sidecar that runs out of descriptors takes no healthy service off the list, and sees again within 2 s. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Caller, eventually, ToyService } from '../end-to-end/world.js';
import { type RunningCli, startCli } from '../helpers/cli.js';
import { until } from './support.js';

let dir: string;
let service: ToyService;
let caller: Caller;
let sidecar: RunningCli;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilotfish-descriptors-'));
  service = await ToyService.start();
  const registry = `local:${dir}/registry?ttl=20s&poll=100ms`;
  const probes = ['tcp', 'http:/health', { type: 'exec', command: ['true'] }];
  const config = {
    registry,
    admin: '127.0.0.1:0',
    address: '127.0.0.1',
    enableExecProbe: true,
    interval: '100ms',
    timeout: '60s',
    services: [{ name: 'orders', id: 'one', port: service.port, fall: 1, probes }],
  };
  await writeFile(join(dir, 'sidecar.json'), JSON.stringify(config));
  sidecar = startCli(['sidecar', '--config', join(dir, 'sidecar.json')]);
  caller = await Caller.of(registry, 'orders');
});

afterEach(async () => {
  sidecar.child.kill('SIGKILL');
  await sidecar.ended;
  await caller.close();
  await service.die();
  await rm(dir, { recursive: true });
});

/** The soft limit of the sidecar's descriptors; those that are open stay open. */
function limit(descriptors: number): void {
  execFileSync('prlimit', ['--pid', `${sidecar.child.pid}`, `--nofile=${descriptors}:`]);
}

/** How many checks of each result there were, by probe and result. */
async function checks(): Promise<(probe: string, result: string) => number> {
  const [, admin] = /"admin":"([^"]+)"/.exec(sidecar.stdout()) ?? [];
  const text = await (await fetch(`${admin}/metrics`, { headers: { connection: 'close' } })).text();
  return (probe, result) => {
    const line = new RegExp(`^pilotfish_checks_total\\{.*probe="${probe}",result="${result}"\\} (\\d+)`, 'm');
    return Number(line.exec(text)?.[1] ?? 0);
  };
}

test('without descriptors a sidecar keeps its service listed, and checks again as soon as it has some', async () => {
  const seen: string[] = [];
  await caller.sees('one');
  caller.service.onChange(() => seen.push(caller.ids().join()));
  limit(4);
  const starvedAt = performance.now();
  await until(() => performance.now() - starvedAt > 2000, 'two seconds without descriptors');
  limit(1024);
  const before = await checks();
  const probes = ['tcp', 'http:/health', 'exec:true'];
  await eventually('every probe to pass again', async () => {
    const now = await checks();
    return probes.every((probe) => now(probe, 'passing') > before(probe, 'passing'));
  });
  const after = await checks();
  for (const probe of probes) {
    // No more than the check that was on its way.
    expect(after(probe, 'unknown')).toBeLessThanOrEqual(before(probe, 'unknown') + 1);
    expect(after(probe, 'unknown')).toBeGreaterThan(0);
    expect(after(probe, 'failing')).toBe(0);
  }
  expect(seen).toEqual([]);
  expect(caller.ids()).toEqual(['one']);
});
