/** examples/caller.mjs: steady requests to real services behind real sidecars, while one of them dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { ServiceProcess } from '../end-to-end/instance.js';
import { eventually, Sidecar } from '../end-to-end/world.js';
import { freePorts } from '../servers/ports.js';

let folder: string;
let registry: string;
let services: ServiceProcess[];
let sidecars: readonly Sidecar[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-caller-'));
  registry = `local:${join(folder, 'registry')}`;
  services = await Promise.all((await freePorts(1)).map((port) => ServiceProcess.start(port)));
  sidecars = await Promise.all(
    services.map(({ port }, i) => {
      return Sidecar.start(registry, ['--service', 'orders', '--id', `orders-${i}`, '--port', `${port}`]);
    }),
  );
});

afterEach(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.terminate()));
  await Promise.all(services.map((service) => service.signal('SIGKILL')));
  await rm(folder, { recursive: true });
});

/** What it has printed so far, and what it says of its requests. */
class Example {
  readonly child: ChildProcess;
  output = '';

  constructor(url = registry) {
    this.child = spawn(process.execPath, [join(ROOT, 'examples', 'caller.mjs')], {
      env: { ...process.env, PILOTFISH_REGISTRY: url, PER_SECOND: '100' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.output += text;
      });
    }
  }

  get totals() {
    const lines = [...this.output.matchAll(/(\d+) answered, (\d+) failed, (\d+) tried again; (.*)/g)];
    const [, answered, failed, triedAgain, list = ''] = lines.at(-1) ?? [];
    return { answered: Number(answered), failed: Number(failed), triedAgain: Number(triedAgain), list };
  }
}

test('no request fails when a service dies, and the caller ends in order', async () => {
  const [victim] = services as [ServiceProcess];
  const example = new Example();
  const ended = once(example.child, 'exit');
  await eventually('both are used', () => example.totals.list === '2 endpoints, fresh');
  await victim.signal('SIGKILL');
  await eventually('one is used', () => example.totals.list === '1 endpoints, fresh');
  services[0] = await ServiceProcess.start(victim.port);
  await eventually('both are used again', () => example.totals.list === '2 endpoints, fresh');
  example.child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(example.totals.failed).toBe(0);
  expect(example.totals.answered).toBeGreaterThan(100);
  expect(example.output).toMatch(/^- orders-0$/m);
});

test('a request that a dead endpoint does not answer goes to another one', async () => {
  const [alive, dead] = services as [ServiceProcess, ServiceProcess];
  await dead.signal('SIGKILL');
  const file = join(folder, 'endpoints.json');
  await writeFile(file, JSON.stringify({ orders: [`127.0.0.1:${alive.port}`, `127.0.0.1:${dead.port}`] }));
  const example = new Example(`static:${file}`);
  const ended = once(example.child, 'exit');
  await eventually('some were sent again', () => example.totals.triedAgain > 10);
  example.child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(example.totals.failed).toBe(0);
});
