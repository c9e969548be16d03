import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { seededRandom } from '../../runtime/random.js';
import { type Admin, startAdmin } from '../../sidecar/admin.js';
import { standardRoutes } from '../../sidecar/admin-routes.js';
import { Prober } from '../../sidecar/prober.js';
import { TtlProbe } from '../../sidecar/probes/ttl.js';
import { ServiceHealth } from '../../sidecar/service-health.js';
import { ttlConfig, until } from './support.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/service-with-heartbeat.mjs', import.meta.url));

const SECRET = 'the-secret-of-the-hello-service';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const inFlights: (number | undefined)[] = [];

/** An admin server in front of one service that has a TTL probe. */
async function sidecarFor(health: ServiceHealth): Promise<Admin> {
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    routes: standardRoutes({
      clock: systemClock,
      metrics: async () => ({ type: 'text/plain', text: '' }),
      unreadyReasons: () => [],
      status: () => health.status(),
      heartbeatSecret: () => SECRET,
      beat: (service, status, note, inFlight) => {
        inFlights.push(inFlight);
        return service === health.service && health.beat(status, note);
      },
    }),
  });
  ends.push(() => admin.close());
  return admin;
}

/** Starts the example and resolves with where it listens. */
async function startExample(sidecar: string): Promise<{ child: ChildProcess; url: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'pilotfish-'));
  ends.push(() => rm(directory, { recursive: true }));
  const file = join(directory, 'secret');
  await writeFile(file, `${SECRET}\n`, { mode: 0o600 });
  const env = {
    ...process.env,
    ...{ PORT: '0', SIDECAR: sidecar, SERVICE: 'hello', BEAT_MS: '50', SECRET_FILE: file },
  };
  const child = spawn(process.execPath, [EXAMPLE], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  ends.push(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, url: `http://127.0.0.1:${/\d+$/.exec(line)?.[0]}` };
}

test('the service with heartbeats and a secret is healthy, unwell when it says so, well again, and gone when silent', async () => {
  const probe = ttlConfig({ ttlMs: 5000, intervalMs: 100, rise: 2, fall: 2 });
  const context = { clock: systemClock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const health = new ServiceHealth('hello', [new Prober(new TtlProbe(probe, systemClock), probe, context)]);
  ends.push(() => health.close());
  const admin = await sidecarFor(health);
  const { child, url } = await startExample(admin.url);

  await until(() => health.state === 'passing', 'the service to pass');
  expect(await (await fetch(url)).text()).toBe('hello\n');
  expect(inFlights).toContain(0);

  await fetch(`${url}/break`);
  const broken = 'probe ttl is failing: the service says fail: somebody asked for /break';
  await until(() => health.status().cause === broken, 'the service to fail');

  await fetch(`${url}/repair`);
  await until(() => health.state === 'passing', 'the service to pass again');

  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  await until(() => health.state === 'failing', 'the silence to be noticed');
  expect(health.status().cause).toBe('probe ttl is failing: no heartbeat for 5s or more');
});
