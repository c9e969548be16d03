import { describe, expect, it, test } from 'vitest';
import {
  consistentHash,
  filtered,
  leastLoaded,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  slowStart,
  sticky,
  subset,
  tiers,
  zoneAware,
} from '../../resolver/index.js';
import { type Fixture, fixture, settled } from './fixture.js';
import { instance, instances } from './memory-registry.js';
import { described } from './picking.js';

async function listed(world: Fixture, ...args: Parameters<Fixture['registry']['list']>) {
  const handle = world.discovery.service('orders');
  world.registry.list(...args);
  await settled(world.clock);
  return handle;
}

describe('explain', () => {
  it('says of everything in the registry what becomes of it', async () => {
    const world = await fixture({ ejection: { consecutiveFailures: 1 } });
    const orders = await listed(
      world,
      [
        ...instances(['bad', 'good', 'well']),
        instance({ id: 'deploy', status: 'draining' }),
        instance({ id: 'broken', status: 'maintenance', note: 'disk' }),
        instance({ id: 'cold', weight: 0 }),
        instance({ id: 'odd', host: '0.0.0.0' }),
      ],
      [{ entry: 'junk', reason: 'expected a port' }],
    );
    let pick = orders.pick();
    while (pick.instance.id !== 'bad') pick = orders.pick();
    pick.done('error', { failure: 'connect' });
    const explanation = orders.explain();
    expect(explanation).toMatchObject({
      service: 'orders',
      state: 'fresh',
      staleMs: 0,
      policy: 'round-robin',
      ejection: { outliers: 1, ejected: 1, panic: false },
      candidates: [
        { id: 'good', endpoint: '10.0.0.1:80', weight: 1, status: 'passing' },
        { id: 'well', endpoint: '10.0.0.1:80', weight: 1, status: 'passing' },
      ],
    });
    const reasons = explanation.excluded.map(({ id, reason, detail }) => [id, reason, detail]);
    expect(reasons).toEqual([
      ['bad', 'ejected', 'connect'],
      ['broken', 'maintenance', 'disk'],
      ['cold', 'weight 0', undefined],
      ['deploy', 'draining', undefined],
      ['junk', 'invalid', 'expected a port'],
      ['odd', 'address', expect.stringContaining('0.0.0.0')],
    ]);
    expect(explanation.excluded[0]?.forMs).toBeGreaterThanOrEqual(500);
    expect(explanation.why).toContain('2 of 6 listed may be picked');
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
  });

  it('says of one whose entry makes no sense any more that it is listed as it was before', async () => {
    const world = await fixture();
    const orders = await listed(world, instances(['a', 'b']));
    world.registry.list(instances(['b']), [{ entry: 'a', reason: 'expected a port', id: 'a' }]);
    await settled(world.clock);
    const { candidates, excluded } = orders.explain();
    expect(candidates.map(({ id, invalid }) => [id, invalid])).toEqual([
      ['a', 'expected a port'],
      ['b', undefined],
    ]);
    expect(excluded).toEqual([]);
  });

  it('names the pick that is made next, and counts none', async () => {
    const world = await fixture({ policy: sticky() });
    const orders = await listed(world, instances(20));
    for (const key of ['a', 'b', 'c']) {
      expect(orders.explain({ key }).pick?.id).toBe(orders.pick({ key }).instance.id);
    }
    expect(world.discovery.status()[0]?.picks).toBe(3);
  });

  it('is no probe of an ejected endpoint', async () => {
    const world = await fixture({ ejection: { consecutiveFailures: 1 } });
    const orders = await listed(world, instances(['a', 'b']));
    const pick = orders.pick();
    pick.done('error');
    await world.clock.advance(5000);
    for (let n = 0; n < 5; n++) orders.explain();
    const { candidates } = orders.explain();
    expect(candidates.find(({ id }) => id === pick.instance.id)).toMatchObject({ outlier: 'consecutive' });
    const ids = [orders.pick(), orders.pick()].map((each) => each.instance.id);
    expect(ids).toContain(pick.instance.id);
  });

  it('shows what a filter leaves out', async () => {
    const world = await fixture({ policy: filtered({ version: '2' }, leastLoaded()) });
    const list = [described('new', { version: '2' }), described('old', { version: '1' })];
    const orders = await listed(world, list);
    expect(orders.explain()).toMatchObject({
      candidates: [{ id: 'new', facts: { inFlight: 0, weight: 1 } }],
      excluded: [{ id: 'old', reason: 'filter', detail: 'filtered' }],
      pick: { id: 'new' },
    });
  });

  it('says where a filter leaves only those that are ejected, which are used all the same', async () => {
    const policy = filtered({ version: '2' }, roundRobin());
    const world = await fixture({ policy, ejection: { consecutiveFailures: 1 } });
    const old = ['b', 'c', 'd'].map((id) => described(id, { version: '1' }));
    const orders = await listed(world, [described('a', { version: '2' }), ...old]);
    orders.pick().done('error', { failure: 'connect' });
    const { pick, why } = orders.explain();
    expect([pick?.id, orders.tryPick()?.instance.id]).toEqual(['a', 'a']);
    expect(why).toBe(
      'a: all that the filters leave are ejected, and are used all the same; 0 of 4 listed may be picked',
    );
  });

  it('names the filter of several that leaves somebody out', async () => {
    const inZone = zoneAware({ zone: 'a' }, subset({ size: 1, clientId: 'me' }, random()));
    const policy = filtered({ version: '2' }, slowStart({}, tiers({ order: [{ tags: ['main'] }] }, inZone)));
    const world = await fixture({ policy, ejection: true });
    const main = { version: '2', tags: ['main'] };
    const orders = await listed(world, [
      described('far', { ...main, zone: 'b' }),
      described('near1', { ...main, zone: 'a' }),
      described('near2', { ...main, zone: 'a' }),
      described('old', { version: '1' }),
      described('spare', { version: '2' }),
    ]);
    const { excluded, candidates } = orders.explain();
    expect(candidates).toHaveLength(1);
    const details = excluded.map(({ id, detail }) => `${id.replace(/\d/, '')} ${detail}`);
    expect(details).toEqual(['far zone-aware', 'near subset', 'old filtered', 'spare tiers']);
  });

  it('says why there is no pick', async () => {
    const world = await fixture();
    const orders = world.discovery.service('orders');
    expect(orders.explain()).toMatchObject({ state: 'never', candidates: [], excluded: [] });
    expect(orders.explain().why).toBe('nothing is picked: 0 of 0 listed may be picked');
    world.registry.list([instance({ id: 'a', status: 'maintenance' })]);
    await settled(world.clock);
    expect(orders.explain()).not.toHaveProperty('pick');
    expect(orders.explain().excluded).toMatchObject([{ id: 'a', reason: 'maintenance' }]);
  });

  it('is refused by a closed handle', async () => {
    const { discovery } = await fixture();
    const orders = discovery.service('orders');
    await orders.close();
    expect(() => orders.explain()).toThrow(/closed/);
  });

  it('makes do with a policy that does not describe itself', async () => {
    const policy: Policy = {
      build: ([first]) => ({
        pick: () => first && { instance: first, endpoint: first.endpoint, done: () => {} },
      }),
    };
    const world = await fixture({ policy });
    const orders = await listed(world, instances(['a', 'b']));
    expect(orders.explain()).toMatchObject({
      policy: 'unknown',
      candidates: [{ id: 'a' }, { id: 'b' }],
      pick: { id: 'a' },
    });
  });
});

test.each<{ policy: Policy; name: string; weights: readonly number[]; facts: readonly string[] }>([
  { policy: roundRobin(), name: 'round-robin', weights: [1, 1], facts: ['turn'] },
  { policy: roundRobin(), name: 'round-robin', weights: [1, 2], facts: ['weight'] },
  { policy: random(), name: 'random', weights: [1, 1], facts: ['weight'] },
  { policy: random(), name: 'random', weights: [1, 2], facts: ['weight'] },
  { policy: leastLoaded(), name: 'least-loaded', weights: [1, 2], facts: ['inFlight', 'weight'] },
  {
    policy: peakEwma(),
    name: 'peak-ewma',
    weights: [1, 1],
    facts: ['inFlight', 'latencyMs', 'score', 'weight'],
  },
  { policy: consistentHash(), name: 'consistent-hash', weights: [1, 1], facts: ['inFlight', 'weight'] },
  { policy: sticky(), name: 'sticky', weights: [1, 1], facts: [] },
  { policy: slowStart({}, random()), name: 'random', weights: [1, 2], facts: ['weight'] },
])('$name with weights $weights goes by $facts', async ({ policy, name, weights, facts }) => {
  const world = await fixture({ policy });
  const orders = await listed(
    world,
    weights.map((weight, at) => instance({ id: `i${at}`, weight })),
  );
  const explanation = orders.explain({ key: 'k' });
  expect(explanation.policy).toBe(name);
  expect(explanation.candidates).toHaveLength(2);
  for (const candidate of explanation.candidates) expect(Object.keys(candidate.facts).sort()).toEqual(facts);
});
