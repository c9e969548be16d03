import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Prober } from '../../sidecar/prober.js';
import { type Probe, resultOf } from '../../sidecar/probes/probe.js';
import { TtlProbe } from '../../sidecar/probes/ttl.js';
import type { CheckStatus } from '../../sidecar/probes/verdict.js';
import { type HealthChange, ServiceHealth } from '../../sidecar/service-health.js';
import { schedule, ttlConfig } from './support.js';

const closing: ServiceHealth[] = [];
afterEach(async () => {
  for (const health of closing.splice(0)) await health.close();
});

/** A probe that says what it is told to. */
function settable(name: string): { probe: Probe; say: (status: CheckStatus, reason: string) => void } {
  let current = { status: 'passing' as CheckStatus, reason: 'fine' };
  const probe: Probe = {
    name,
    type: 'tcp',
    pace: 'interval',
    deadlineMs: 1000,
    check: async () => resultOf(current, 1),
  };
  return {
    probe,
    say: (status, reason) => {
      current = { status, reason };
    },
  };
}

function serviceOf(...probes: Probe[]): {
  clock: VirtualClock;
  health: ServiceHealth;
  changes: HealthChange[];
} {
  const clock = new VirtualClock();
  const context = { clock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const health = new ServiceHealth(
    'orders',
    probes.map((probe) => new Prober(probe, schedule(), context)),
  );
  closing.push(health);
  const changes: HealthChange[] = [];
  health.onChange((change) => changes.push(change));
  return { clock, health, changes };
}

describe('a service with several probes', () => {
  test('is listed only when all of them pass, and says which one changed that and why', async () => {
    const port = settable('tcp');
    const page = settable('http:/health');
    page.say('failing', 'expected status 200, got 503');
    const { clock, health, changes } = serviceOf(port.probe, page.probe);
    await clock.advance(0);
    expect([health.state, health.listed]).toEqual(['failing', false]);
    page.say('passing', 'status 200');
    await clock.advance(1000);
    expect([health.state, health.listed]).toEqual(['passing', true]);
    port.say('warning', 'slow');
    await clock.advance(1000);
    expect([health.state, health.listed]).toEqual(['warning', true]);
    expect(changes).toEqual([
      {
        from: 'starting',
        to: 'failing',
        cause: 'probe http:/health is failing: expected status 200, got 503',
      },
      { from: 'failing', to: 'passing', cause: 'probe http:/health is passing: status 200' },
      { from: 'passing', to: 'warning', cause: 'probe tcp is warning: slow' },
    ]);
  });

  test('does not change when one of two failing probes recovers', async () => {
    const one = settable('one');
    const two = settable('two');
    one.say('failing', 'down');
    two.say('failing', 'down');
    const { clock, health, changes } = serviceOf(one.probe, two.probe);
    await clock.advance(0);
    one.say('passing', 'up');
    await clock.advance(2000);
    expect(health.state).toBe('failing');
    expect(changes).toHaveLength(1);
  });

  test('reports nothing more once it is closed', async () => {
    const one = settable('one');
    const { clock, health, changes } = serviceOf(one.probe);
    await clock.advance(0);
    await health.close();
    one.say('failing', 'down');
    await clock.advance(5000);
    expect(changes.map(({ to }) => to)).toEqual(['passing']);
    expect(clock.pending).toBe(0);
  });

  test('tells its state, the cause, and what each probe saw', async () => {
    const { clock, health } = serviceOf(settable('tcp').probe);
    expect(health.status()).toMatchObject({ state: 'starting', cause: undefined });
    await clock.advance(0);
    expect(health.status()).toEqual({
      state: 'passing',
      cause: 'probe tcp is passing: fine',
      probes: [
        {
          name: 'tcp',
          type: 'tcp',
          advisory: false,
          state: 'passing',
          successes: 0,
          failures: 0,
          overruns: 0,
          recent: [{ at: clock.wallNow(), status: 'passing', reason: 'fine', durationMs: 1 }],
        },
      ],
    });
  });
});

test('an advisory probe is reported and never decides', async () => {
  const clock = new VirtualClock();
  const context = { clock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const disk = settable('disk');
  const health = new ServiceHealth('orders', [
    new Prober(settable('tcp').probe, schedule(), context),
    new Prober(disk.probe, schedule({ advisory: true }), context),
  ]);
  closing.push(health);
  const [changes, advice]: [HealthChange[], HealthChange[]] = [[], []];
  health.onChange((change) => changes.push(change));
  health.onAdvice((change) => advice.push(change));
  disk.say('failing', 'full');
  await clock.advance(0);
  expect(changes).toEqual([{ from: 'starting', to: 'passing', cause: 'probe tcp is passing: fine' }]);
  expect(advice).toEqual([{ from: 'starting', to: 'failing', cause: 'probe disk is failing: full' }]);
  expect(health.status().probes[1]).toMatchObject({ advisory: true, state: 'failing' });
});

test('a service that requires any of its probes fails with the last of them', async () => {
  const clock = new VirtualClock();
  const context = { clock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const [one, two] = [settable('one'), settable('two')];
  const probers = [one, two].map(({ probe }) => new Prober(probe, schedule(), context));
  const health = new ServiceHealth('orders', probers, 'any');
  closing.push(health);
  one.say('failing', 'first');
  await clock.advance(0);
  expect(health.state).toBe('passing');
  two.say('failing', 'second');
  await clock.advance(1000);
  expect(health.status()).toMatchObject({ state: 'failing', cause: 'probe two is failing: second' });
});

describe('heartbeats', () => {
  test('reach the TTL probe, whose silence takes the service off the list', async () => {
    const clock = new VirtualClock();
    const config = ttlConfig({ ttlMs: 3000, rise: 2, fall: 2, intervalMs: 500 });
    const context = { clock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
    const health = new ServiceHealth('orders', [new Prober(new TtlProbe(config, clock), config, context)]);
    closing.push(health);
    const changes: [number, string][] = [];
    health.onChange(({ to }) => changes.push([clock.now(), to]));
    expect(health.beat('pass')).toBe(true);
    await clock.advance(1000);
    expect(health.beat('pass')).toBe(true);
    await clock.advance(10_000);
    expect(changes).toEqual([
      [1000, 'passing'],
      [4500, 'failing'],
    ]);
  });

  test('are refused by a service without a TTL probe', () => {
    expect(serviceOf(settable('tcp').probe).health.beat('pass')).toBe(false);
  });

  test('reach only the TTL probes among several', async () => {
    const clock = new VirtualClock();
    const ttl = new TtlProbe(ttlConfig({ name: 'ttl' }), clock);
    const context = { clock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
    const probers = [ttl, settable('tcp').probe].map((probe) => new Prober(probe, schedule(), context));
    const health = new ServiceHealth('orders', probers);
    closing.push(health);
    health.beat('warn', 'low on disk');
    await clock.advance(0);
    expect(health.state).toBe('warning');
    expect(health.status().cause).toBe('probe ttl is warning: the service says warn: low on disk');
  });
});
