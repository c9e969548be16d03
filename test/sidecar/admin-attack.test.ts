/** The admin server under attack: every request is refused, nothing changes, and the probes keep their time. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { seededRandom } from '../../runtime/random.js';
import { startAdmin } from '../../sidecar/admin.js';
import { standardRoutes } from '../../sidecar/admin-routes.js';
import { Prober } from '../../sidecar/prober.js';
import { createProbe } from '../../sidecar/probes/create.js';
import type { Probe } from '../../sidecar/probes/probe.js';
import { MachineNoise } from '../helpers/machine-noise.js';
import { serve, tcpConfig, until } from './support.js';

const ATTACK = fileURLToPath(new URL('./admin-attack.mjs', import.meta.url));
const INTERVAL_MS = 50;
const LATE_MS = 100;

/** How much longer than the interval each check was waited for. */
function delays(starts: readonly number[]): readonly number[] {
  return starts.slice(1).map((at, i) => at - (starts[i] as number) - INTERVAL_MS);
}

test('rebinding, cross-site requests, huge bodies and slow headers change nothing and delay no probe', async () => {
  const beats: unknown[] = [];
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    routes: standardRoutes({
      clock: systemClock,
      metrics: async () => ({ type: 'text/plain', text: '' }),
      unreadyReasons: () => [],
      status: () => ({}),
      heartbeatSecret: () => undefined,
      beat: (...beat) => beats.push(beat) > 0,
    }),
  });
  const service = await serve(() => {});
  const config = tcpConfig(service.port, { intervalMs: INTERVAL_MS, fastIntervalMs: INTERVAL_MS });
  const context = { clock: systemClock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const inner = await createProbe(config, context);
  const starts: number[] = [];
  const probe: Probe = {
    ...{ name: inner.name, type: inner.type, pace: inner.pace, deadlineMs: inner.deadlineMs },
    check: (signal) => {
      starts.push(systemClock.now());
      return inner.check(signal);
    },
  };
  const prober = new Prober(probe, config, context);
  await until(() => prober.health.state === 'passing', 'the service to pass');
  starts.length = 0;

  await using noise = await MachineNoise.start();
  const { stdout } = await promisify(execFile)(process.execPath, [ATTACK, new URL(admin.url).port]);

  expect(JSON.parse(stdout)).toEqual({ rebinding: [403], crossSite: [403], form: [415], gigabyte: [413] });
  expect(beats).toEqual([]);
  expect(prober.health.state).toBe('passing');
  expect(prober.status().recent.map(({ status }) => status)).not.toContain('failing');
  const late = delays(starts).toSorted((a, b) => a - b);
  expect(late.length).toBeGreaterThan(20);
  // Half of them may be later, and all of them by as much as anybody on this machine.
  expect(late[Math.floor(late.length / 2)]).toBeLessThanOrEqual(LATE_MS + (await noise.lateness(0.9)));
  await prober.close();
  await admin.close();
  await service.close();
});
