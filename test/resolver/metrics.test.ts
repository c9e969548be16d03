import { register as globalRegister, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { instrument, RESOLVER_METRICS } from '../../resolver/metrics.js';
import { fixture, settled } from './fixture.js';
import { instance, instances } from './memory-registry.js';

async function sampleOf(register: Registry, name: string): Promise<number | undefined> {
  const metric = (await register.getMetricsAsJSON()).find((each) => each.name === name);
  expect(metric).toBeDefined();
  return metric?.values.find(({ labels }) => labels.service === 'orders')?.value as number | undefined;
}

describe('the metrics of a discovery', () => {
  it('say what it knows when they are scraped', async () => {
    const { clock, registry, discovery } = await fixture();
    const register = instrument(discovery);
    const orders = discovery.service('orders');
    orders.tryPick();
    registry.list(
      [
        ...instances(['a', 'b']),
        instance({ id: 'c', host: '0.0.0.0' }),
        instance({ id: 'd', status: 'maintenance' }),
      ],
      [{ entry: 'x', reason: 'y' }],
    );
    await settled(clock);
    for (let n = 0; n < 5; n++) orders.pick();
    registry.fail('gone');
    await clock.advance(1500);
    expect(await sampleOf(register, 'pilotfish_resolver_endpoints')).toBe(2);
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(5);
    expect(await sampleOf(register, 'pilotfish_resolver_empty_picks_total')).toBe(1);
    expect(await sampleOf(register, 'pilotfish_resolver_stale_seconds')).toBe(1.5);
    expect(await sampleOf(register, 'pilotfish_resolver_watch_updates_total')).toBe(1);
    expect(await sampleOf(register, 'pilotfish_resolver_watch_errors_total')).toBeGreaterThanOrEqual(1);
    expect(await sampleOf(register, 'pilotfish_resolver_rejected_entries')).toBe(2);
  });

  it('tell how many endpoints are used although the registry lists them no more', async () => {
    const { clock, registry, discovery } = await fixture({ hold: { answers: async () => true } });
    const register = instrument(discovery);
    discovery.service('orders');
    const all = [1, 2, 3, 4].map((port) => instance({ id: `i-${port}`, port }));
    registry.list(all);
    await settled(clock);
    expect(await sampleOf(register, 'pilotfish_resolver_held')).toBe(0);
    registry.list(all.slice(0, 1));
    await settled(clock);
    expect(await sampleOf(register, 'pilotfish_resolver_held')).toBe(3);
    expect(await sampleOf(register, 'pilotfish_resolver_endpoints')).toBe(4);
    await discovery.close();
  });

  it('are exactly those described, each with its type and labels', async () => {
    const { clock, discovery } = await fixture();
    discovery.service('orders');
    await settled(clock);
    const found = await instrument(discovery).getMetricsAsJSON();
    expect(found.map(({ name, type, help }) => ({ name, type, help }))).toEqual(
      RESOLVER_METRICS.map(({ name, type, meaning }) => ({ name, type, help: meaning })),
    );
    const labels = new Set(
      found.flatMap(({ values }) => values.flatMap((value) => Object.keys(value.labels))),
    );
    expect([...labels]).toEqual(['service']);
  });

  it('never touch the global registry', async () => {
    const { discovery } = await fixture();
    instrument(discovery);
    expect(globalRegister.getMetricsAsArray()).toEqual([]);
  });

  it('are silent about staleness before the first list', async () => {
    const { clock, discovery } = await fixture();
    const register = instrument(discovery);
    discovery.service('orders');
    await settled(clock);
    expect(await sampleOf(register, 'pilotfish_resolver_stale_seconds')).toBeUndefined();
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(0);
  });

  it('drop the gauges of a service that nobody holds any more, and keep its counts', async () => {
    const { clock, registry, discovery } = await fixture();
    const register = instrument(discovery);
    registry.list(instances(['a']));
    const orders = discovery.service('orders');
    await settled(clock);
    orders.pick();
    await orders.close();
    expect(await sampleOf(register, 'pilotfish_resolver_endpoints')).toBeUndefined();
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(1);
  });
});

describe('where ejection is on', () => {
  const ejecting = { ejection: { consecutiveFailures: 1 } };

  async function valuesOf(register: Registry, name: string): Promise<Record<string, number>> {
    const metric = (await register.getMetricsAsJSON()).find((each) => each.name === name);
    const values = metric?.values as {
      metricName?: string;
      labels: Record<string, unknown>;
      value: number;
    }[];
    return Object.fromEntries(
      values.map(({ metricName = name, labels: { service, ...labels }, value }) => [
        [service, metricName.slice(name.length), ...Object.values(labels)].filter((part) => part).join(' '),
        value,
      ]),
    );
  }

  async function used() {
    const world = await fixture(ejecting);
    const register = instrument(world.discovery);
    world.registry.list(instances(['a', 'b', 'c']));
    const orders = world.discovery.service('orders');
    await settled(world.clock);
    orders.pick().done('ok', { latencyMs: 3 });
    orders.pick().done('cancelled');
    orders.pick().done('error', { failure: 'connect', latencyMs: 70_000 });
    orders.pick();
    return { ...world, register };
  }

  it('they tell what became of requests and of endpoints', async () => {
    const { register } = await used();
    expect(await sampleOf(register, 'pilotfish_resolver_in_flight')).toBe(1);
    expect(await sampleOf(register, 'pilotfish_resolver_ejected')).toBe(1);
    expect(await sampleOf(register, 'pilotfish_resolver_panics_total')).toBe(0);
    const requests = await valuesOf(register, 'pilotfish_resolver_requests_total');
    expect(requests).toEqual({ 'orders ok': 1, 'orders error': 1, 'orders cancelled': 1 });
    const ejections = await valuesOf(register, 'pilotfish_resolver_ejections_total');
    expect(ejections).toMatchObject({ 'orders connect': 1, 'orders consecutive': 0 });
  });

  it('latencies are a histogram, cumulative, in seconds', async () => {
    const { register, discovery } = await used();
    const expected = {
      'orders _bucket 0.002': 0,
      'orders _bucket 0.005': 1,
      'orders _bucket 10': 1,
      'orders _bucket +Inf': 2,
      'orders _sum': 70.003,
      'orders _count': 2,
    };
    const name = 'pilotfish_resolver_latency_seconds';
    expect(await valuesOf(register, name)).toMatchObject(expected);
    await discovery.close();
    expect(await valuesOf(register, name)).toMatchObject(expected);
    expect(await valuesOf(register, name)).toMatchObject(expected);
    const text = await register.metrics();
    expect(text).toContain(`# TYPE ${name} histogram`);
    expect(text).toContain(`${name}_bucket{le="0.005",service="orders"} 1`);
    expect(text).toContain(`${name}_count{service="orders"} 2`);
  });
});

describe('two discoveries on one registry of metrics', () => {
  it('add up, and a count never falls when one of them closes', async () => {
    const register = new Registry();
    const worlds = [await fixture(), await fixture()];
    for (const { clock, registry, discovery } of worlds) {
      expect(instrument(discovery, { register })).toBe(register);
      registry.list(instances(['a', 'b']));
      const orders = discovery.service('orders');
      await settled(clock);
      for (let n = 0; n < 3; n++) orders.pick();
    }
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(6);
    expect(await sampleOf(register, 'pilotfish_resolver_endpoints')).toBe(4);
    await worlds[0]?.discovery.close();
    await sampleOf(register, 'pilotfish_resolver_picks_total');
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(6);
    expect(await sampleOf(register, 'pilotfish_resolver_endpoints')).toBe(2);
  });

  it('count a discovery once that was attached twice', async () => {
    const register = new Registry();
    const { clock, registry, discovery } = await fixture();
    instrument(discovery, { register });
    instrument(discovery, { register });
    registry.list(instances(['a']));
    const orders = discovery.service('orders');
    await settled(clock);
    orders.pick();
    expect(await sampleOf(register, 'pilotfish_resolver_picks_total')).toBe(1);
  });
});
