import { register as globalRegister, Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/index.js';
import { Emitter } from '../../runtime/events.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Announcer } from '../../sidecar/announcer.js';
import { SIDECAR_METRICS, SidecarMetrics } from '../../sidecar/metrics.js';
import { Prober } from '../../sidecar/prober.js';
import { type CheckResult, type Probe, resultOf } from '../../sidecar/probes/probe.js';
import { TtlProbe } from '../../sidecar/probes/ttl.js';
import { failing, passing } from '../../sidecar/probes/verdict.js';
import type { HoldReason } from '../../sidecar/protected-health.js';
import { ServiceHealth } from '../../sidecar/service-health.js';
import { ScriptedRegistry } from './scripted-registry.js';
import { schedule, ttlConfig } from './support.js';

const NO_LAG = { maxSince: () => 0, stalledSince: () => 0 };

function metricsWith(register?: Registry): SidecarMetrics {
  return new SidecarMetrics({ clock: new VirtualClock(), lag: NO_LAG, ...(register && { register }) });
}

/** The lines of our own metrics that have a value other than 0. */
async function lines(metrics: SidecarMetrics, name: string): Promise<string[]> {
  const { text } = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(name) && !line.endsWith(' 0'));
}

function run(clock: VirtualClock, probe: Probe): ServiceHealth {
  const context = { clock, random: seededRandom(1), lag: NO_LAG };
  return new ServiceHealth('orders', [new Prober(probe, schedule({ intervalMs: 1000 }), context)]);
}

function probeOf(check: () => Promise<CheckResult>): Probe {
  return { name: 'tcp', type: 'tcp', pace: 'interval', deadlineMs: 1000, check };
}

test('every metric in the list exists with its type, help and labels, and there is no other of ours', async () => {
  const metrics = metricsWith();
  metrics.observeOperators(() => []);
  metrics.observeLog(() => 0);
  const { register } = metrics;
  const found = register.getMetricsAsArray().filter(({ name }) => name.startsWith('pilotfish_'));
  expect(found.map(({ name }) => name).sort()).toEqual(
    Object.values(SIDECAR_METRICS)
      .map(({ name }) => name)
      .sort(),
  );
  const text = await register.metrics();
  for (const { name, type, help } of Object.values(SIDECAR_METRICS)) {
    expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
  }
});

test('what operators ordered is looked up at each scrape, and forgotten when it is over', async () => {
  const metrics = metricsWith();
  const labels = { service: 'orders', id: 'one' };
  const order = { reason: '', who: 'ada', since: new VirtualClock().wallNow() - 90_000, until: Infinity };
  const forced = { ...order, to: 'up' as const };
  let present = [{ labels, orders: { maintenance: order, forced, weight: undefined }, isDraining: true }];
  metrics.observeOperators(() => present);
  const text = await metrics.register.metrics();
  expect(text).toContain('pilotfish_maintenance_age_seconds{service="orders",id="one"} 90\n');
  expect(text).toContain('pilotfish_forced{service="orders",id="one",to="up"} 1\n');
  expect(text).toContain('pilotfish_draining{service="orders",id="one"} 1\n');
  present = [];
  expect(await metrics.register.metrics()).not.toMatch(/pilotfish_(maintenance_age|forced|draining)\w*\{/);
});

test('lines of the log that were dropped are looked up at each scrape', async () => {
  const metrics = metricsWith();
  let dropped = 3;
  metrics.observeLog(() => dropped);
  expect(await lines(metrics, 'pilotfish_log')).toEqual(['pilotfish_log_lines_dropped_total 3']);
  dropped = 5;
  expect(await lines(metrics, 'pilotfish_log')).toEqual(['pilotfish_log_lines_dropped_total 5']);
});

test('reloads are counted, and the last good one is dated', async () => {
  const metrics = metricsWith();
  metrics.reloaded('error');
  metrics.reloaded('ok');
  metrics.reloaded('ok');
  const text = await metrics.register.metrics();
  expect(text).toContain('pilotfish_config_reloads_total{result="ok"} 2\n');
  expect(text).toContain('pilotfish_config_reloads_total{result="error"} 1\n');
  const at = new VirtualClock().wallNow() / 1000;
  expect(text).toContain(`pilotfish_config_last_reload_success_timestamp_seconds ${at}\n`);
});

test('nothing reaches the global registry, and a given one is used', async () => {
  const given = new Registry();
  expect(metricsWith(given).register).toBe(given);
  expect(metricsWith().register).not.toBe(given);
  expect(globalRegister.getMetricsAsArray()).toEqual([]);
});

test('the process is measured too, unless the given registry does so already', async () => {
  const given = new Registry();
  metricsWith(given);
  expect(given.getSingleMetric('process_cpu_seconds_total')).toBeDefined();
  const shared = new Registry();
  shared.registerMetric(given.getSingleMetric('process_cpu_seconds_total') as never);
  expect(() => metricsWith(shared)).not.toThrow();
  expect(shared.getSingleMetric('process_resident_memory_bytes')).toBeUndefined();
});

const ORDERS = { service: 'orders', id: 'a' };

describe('a service that is observed', () => {
  test('counts checks and durations, shows its health one-hot, and counts transitions', async () => {
    const clock = new VirtualClock();
    const results = [
      resultOf(passing('fine'), 125),
      resultOf(passing('fine'), 250),
      resultOf(failing('down'), 500),
    ];
    const health = run(
      clock,
      probeOf(async () => results.shift() as CheckResult),
    );
    const metrics = metricsWith();
    metrics.observeServiceHealth(ORDERS, health);
    expect(await lines(metrics, 'pilotfish_service_health')).toEqual([
      'pilotfish_service_health{service="orders",id="a",state="starting"} 1',
    ]);
    await clock.advance(2000);
    expect(await lines(metrics, 'pilotfish_checks_total')).toEqual([
      'pilotfish_checks_total{service="orders",id="a",probe="tcp",result="passing"} 2',
      'pilotfish_checks_total{service="orders",id="a",probe="tcp",result="failing"} 1',
    ]);
    expect(await lines(metrics, 'pilotfish_check_duration_seconds_sum')).toEqual([
      'pilotfish_check_duration_seconds_sum{service="orders",id="a",probe="tcp"} 0.875',
    ]);
    expect(await lines(metrics, 'pilotfish_service_health')).toEqual([
      'pilotfish_service_health{service="orders",id="a",state="failing"} 1',
    ]);
    expect(await lines(metrics, 'pilotfish_transitions_total')).toEqual([
      'pilotfish_transitions_total{service="orders",id="a",to="passing"} 1',
      'pilotfish_transitions_total{service="orders",id="a",to="failing"} 1',
    ]);
    await health.close();
  });

  test('counts the checks that fell out', async () => {
    const clock = new VirtualClock();
    const slow = (): Promise<CheckResult> =>
      new Promise((resolve) => clock.after(2500, () => resolve(resultOf(passing('slow'), 2500))));
    const health = run(clock, probeOf(slow));
    const metrics = metricsWith();
    metrics.observeServiceHealth(ORDERS, health);
    await clock.advance(2500);
    expect(await lines(metrics, 'pilotfish_check_overruns_total')).toEqual([
      'pilotfish_check_overruns_total{service="orders",id="a",probe="tcp"} 2',
    ]);
    const closing = health.close();
    await clock.advance(2500);
    await closing;
  });

  test('has heartbeats counted but not timed', async () => {
    const clock = new VirtualClock();
    const health = run(clock, new TtlProbe(ttlConfig(), clock));
    const metrics = metricsWith();
    metrics.observeServiceHealth(ORDERS, health);
    health.beat('warn');
    await clock.advance(0);
    expect(await lines(metrics, 'pilotfish_checks_total')).toEqual([
      'pilotfish_checks_total{service="orders",id="a",probe="ttl",result="warning"} 1',
    ]);
    expect(await lines(metrics, 'pilotfish_check_duration_seconds')).toEqual([]);
    await health.close();
  });

  test('leaves no state behind when the observation ends', async () => {
    const clock = new VirtualClock();
    const health = run(
      clock,
      probeOf(async () => resultOf(passing('fine'), 1)),
    );
    const metrics = metricsWith();
    const end = metrics.observeServiceHealth(ORDERS, health);
    await clock.advance(0);
    end();
    await clock.advance(5000);
    expect((await metrics.text()).text).not.toContain('pilotfish_service_health{');
    expect(await lines(metrics, 'pilotfish_checks_total')).toEqual([
      'pilotfish_checks_total{service="orders",id="a",probe="tcp",result="passing"} 1',
    ]);
    await health.close();
  });
});

describe('a registry', () => {
  test('shows its state one-hot and counts only connections after the first', async () => {
    const metrics = metricsWith();
    const url = 'zookeeper://127.0.0.1:2181';
    for (const state of [
      'connecting',
      'connected',
      'suspended',
      'connected',
      'expired',
      'connected',
    ] as const) {
      metrics.registryState(url, state);
    }
    expect(await lines(metrics, 'pilotfish_registry_state')).toEqual([
      `pilotfish_registry_state{registry="${url}",state="connected"} 1`,
    ]);
    expect(await lines(metrics, 'pilotfish_registry_reconnects_total')).toEqual([
      `pilotfish_registry_reconnects_total{registry="${url}"} 2`,
    ]);
  });
});

describe('an announcer that is observed', () => {
  const instance = instanceOf({ ...ORDERS });
  let clock: VirtualClock;
  let registry: ScriptedRegistry;
  let announcer: Announcer;
  let metrics: SidecarMetrics;
  let end: () => void;

  beforeEach(() => {
    clock = new VirtualClock();
    registry = new ScriptedRegistry();
    announcer = new Announcer(registry, 'orders', { clock, random: seededRandom(3), logger: silentLogger });
    metrics = metricsWith();
    end = metrics.observeAnnouncer(ORDERS, announcer);
  });

  afterEach(() => announcer.close());

  const at = 'service="orders",id="a",registry="scripted:"';

  test('counts operations by result and says what is registered', async () => {
    registry.before = async () => {
      throw new Error('away');
    };
    announcer.announce(instance, 'up');
    await clock.advance(0);
    expect((await metrics.text()).text).toContain(`pilotfish_registered{${at}} 0`);
    registry.before = async () => {};
    await clock.advance(10_000);
    expect(await lines(metrics, 'pilotfish_registered')).toEqual([`pilotfish_registered{${at}} 1`]);
    expect(await lines(metrics, 'pilotfish_registry_operations_total')).toEqual([
      'pilotfish_registry_operations_total{registry="scripted:",operation="register",result="error"} 1',
      'pilotfish_registry_operations_total{registry="scripted:",operation="register",result="ok"} 1',
    ]);
  });

  test('counts what was lost and shows a conflict until it is over', async () => {
    announcer.announce(instance, 'up');
    await clock.advance(0);
    registry.lose('taken');
    await clock.advance(0);
    expect(await lines(metrics, 'pilotfish_registrations_lost_total')).toEqual([
      `pilotfish_registrations_lost_total{${at},reason="taken"} 1`,
    ]);
    expect(await lines(metrics, 'pilotfish_registration_conflict')).toEqual([
      `pilotfish_registration_conflict{${at}} 1`,
    ]);
    registry.vacate('a');
    await clock.advance(0);
    expect((await metrics.text()).text).toContain(`pilotfish_registration_conflict{${at}} 0`);
  });

  test('counts each write that had to wait', async () => {
    for (let weight = 1; weight <= 10; weight++) {
      announcer.announce({ ...instance, weight }, 'weight');
      await clock.advance(0);
    }
    expect(await lines(metrics, 'pilotfish_registry_writes_delayed_total')).toEqual([
      `pilotfish_registry_writes_delayed_total{${at}} 1`,
    ]);
  });

  test('leaves no state behind when the observation ends', async () => {
    announcer.announce(instance, 'up');
    await clock.advance(0);
    end();
    announcer.announce(undefined, 'down');
    await clock.advance(0);
    const { text } = await metrics.text();
    expect(text).not.toMatch(/pilotfish_registered\{|pilotfish_registration_conflict\{/);
  });
});

test('a protection shows what it holds, counts the holds, and leaves no state behind', async () => {
  const holds = new Emitter<HoldReason | undefined>();
  const metrics = metricsWith();
  const end = metrics.observeProtection(ORDERS, { hold: undefined, onHold: holds.event });
  expect(await lines(metrics, 'pilotfish_held')).toEqual([]);
  holds.emit('flapping');
  expect(await lines(metrics, 'pilotfish_held')).toEqual([
    'pilotfish_held{service="orders",id="a",reason="flapping"} 1',
  ]);
  holds.emit(undefined);
  holds.emit('mass-failure');
  expect(await lines(metrics, 'pilotfish_held')).toEqual([
    'pilotfish_held{service="orders",id="a",reason="mass-failure"} 1',
  ]);
  expect(await lines(metrics, 'pilotfish_holds_total')).toEqual([
    'pilotfish_holds_total{service="orders",id="a",reason="flapping"} 1',
    'pilotfish_holds_total{service="orders",id="a",reason="mass-failure"} 1',
  ]);
  end();
  expect((await metrics.text()).text).not.toContain('pilotfish_held{');
});

test('the lag gauge is the longest recent stall in seconds', async () => {
  const asked: number[] = [];
  const clock = new VirtualClock();
  await clock.advance(60_000);
  const lag = {
    maxSince: (time: number) => {
      asked.push(time);
      return 250;
    },
  };
  const metrics = new SidecarMetrics({ clock, lag });
  expect(await lines(metrics, 'pilotfish_event_loop_lag_seconds')).toEqual([
    'pilotfish_event_loop_lag_seconds 0.25',
  ]);
  expect(asked).toEqual([45_000]);
});
