import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../registry/contract.js';
import { type ListChange, type Policy, roundRobin } from '../../resolver/index.js';
import { fixture, settled } from './fixture.js';
import { instance, instances } from './memory-registry.js';

const ids = (snapshot: Snapshot | undefined): string[] | undefined => snapshot?.instances.map(({ id }) => id);

describe('the state of a service', () => {
  it('goes never, fresh, stale, fresh, empty as the registry does (T25)', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    expect(orders.state).toBe('never');
    expect(orders.staleMs).toBeUndefined();
    registry.list(instances(['a']));
    await settled(clock);
    expect([orders.state, orders.staleMs]).toEqual(['fresh', 0]);
    registry.fail('gone');
    await settled(clock);
    expect(orders.state).toBe('stale');
    await clock.advance(5000);
    expect(orders.staleMs).toBe(5000);
    registry.heal();
    await clock.advance(15_000);
    expect([orders.state, orders.staleMs]).toEqual(['fresh', 0]);
    registry.list([]);
    await settled(clock);
    expect(orders.state).toBe('empty');
  });

  it('is empty when all are in maintenance, and fresh when all drain', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list([instance({ id: 'a', status: 'maintenance' })]);
    await settled(clock);
    expect([orders.state, ids(orders.snapshot)]).toEqual(['empty', ['a']]);
    registry.list([instance({ id: 'a', status: 'draining' })]);
    await settled(clock);
    expect([orders.state, orders.pick().instance.id]).toEqual(['fresh', 'a']);
  });

  it('stays never while the registry does not answer', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.fail('down');
    const orders = discovery.service('orders');
    await clock.advance(60_000);
    expect(orders.state).toBe('never');
    expect(orders.snapshot).toBeUndefined();
  });
});

describe('pick', () => {
  it('tells apart: no list yet, no endpoints, closed', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'NOT_RESOLVED' }));
    registry.list([]);
    await settled(clock);
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'NO_ENDPOINTS' }));
    registry.list(instances(['a']));
    await settled(clock);
    expect(orders.pick().endpoint).toEqual({ host: '10.0.0.1', port: 80 });
    await orders.close();
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('returns undefined from tryPick where pick throws', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    expect(orders.tryPick()).toBeUndefined();
    registry.list(instances(['a']));
    await settled(clock);
    expect(orders.tryPick()?.instance.id).toBe('a');
    await orders.close();
    expect(orders.tryPick()).toBeUndefined();
  });

  it('goes on from the last list for as long as the registry is away', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list(instances(['a', 'b']));
    await settled(clock);
    registry.fail('gone');
    await clock.advance(24 * 3_600_000);
    expect(new Set([orders.pick().instance.id, orders.pick().instance.id])).toEqual(new Set(['a', 'b']));
  });

  it('leaves out weight 0, and uses it again when nothing else is left', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const resting = instance({ id: 'resting', weight: 0 });
    registry.list([resting, instance({ id: 'working' })]);
    await settled(clock);
    expect(Array.from({ length: 10 }, () => orders.pick().instance.id)).not.toContain('resting');
    registry.list([resting]);
    await settled(clock);
    expect(orders.pick().instance.id).toBe('resting');
  });

  it.each(['draining', 'maintenance'] as const)(
    'leaves out one that is %s from the next pick on, and its picks in flight end as ever',
    async (status) => {
      const { clock, registry, discovery } = await fixture();
      const orders = discovery.service('orders');
      registry.list(instances(['a', 'b']));
      await settled(clock);
      while (orders.pick().instance.id !== 'a') {}
      orders.pick();
      const inFlight = orders.pick();
      expect(inFlight.instance.id).toBe('a');
      const picked: string[] = [];
      orders.onChange(() => picked.push(...Array.from({ length: 10 }, () => orders.pick().instance.id)));
      registry.list([instance({ id: 'a', status }), instance({ id: 'b' })]);
      await settled(clock);
      expect(new Set(picked)).toEqual(new Set(['b']));
      expect(() => inFlight.done('ok', { latencyMs: 5 })).not.toThrow();
    },
  );

  it('uses one that drains when nothing else is left, and one in maintenance never', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list([instance({ id: 'a', status: 'draining' }), instance({ id: 'b', status: 'maintenance' })]);
    await settled(clock);
    expect(new Set(Array.from({ length: 10 }, () => orders.pick().instance.id))).toEqual(new Set(['a']));
    registry.list([instance({ id: 'b', status: 'maintenance', note: 'new disk' })]);
    await settled(clock);
    expect(() => orders.pick()).toThrow('orders has 0 usable endpoints, 1 in maintenance');
  });

  it('gives no policy anything that may not be picked', async () => {
    const given: string[][] = [];
    const policy: Policy = {
      build: (candidates) => {
        given.push(candidates.map(({ id }) => id));
        return { pick: () => undefined };
      },
    };
    const { clock, registry, discovery } = await fixture({ policy });
    discovery.service('orders');
    registry.list([
      instance({ id: 'a' }),
      instance({ id: 'b', status: 'draining' }),
      instance({ id: 'c', status: 'maintenance' }),
      instance({ id: 'd', weight: 0 }),
      instance({ id: 'e', status: 'warning' }),
    ]);
    await settled(clock);
    expect(given).toEqual([['a', 'e']]);
  });

  it('uses the new list before anybody hears of it', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const picked: string[] = [];
    orders.onChange(() => picked.push(orders.pick().instance.id));
    registry.list(instances(['a']));
    await settled(clock);
    registry.list(instances(['b']));
    await settled(clock);
    expect(picked).toEqual(['a', 'b']);
  });

  it('keeps its place through an empty list', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list(instances(['a', 'b', 'c']));
    await settled(clock);
    while (orders.pick().instance.id !== 'b') {}
    registry.list([]);
    await settled(clock);
    registry.list(instances(['a', 'b', 'c']));
    await settled(clock);
    expect(orders.pick().instance.id).toBe('c');
  });

  it('accepts a policy of a third party and passes the request on to it', async () => {
    const byKey: Policy = {
      build: (candidates) => ({
        pick: (request) => {
          const found = candidates.find(({ id }) => id === request?.key);
          return found && { instance: found, endpoint: found.endpoint, done: () => {} };
        },
      }),
    };
    const { clock, registry, discovery } = await fixture({ policy: byKey });
    const orders = discovery.service('orders');
    registry.list(instances(['a', 'b']));
    await settled(clock);
    expect(orders.pick({ key: 'b' }).instance.id).toBe('b');
    expect(() => orders.pick({ key: 'z' })).toThrow(expect.objectContaining({ code: 'NO_ENDPOINTS' }));
  });
});

describe('ready', () => {
  it('resolves with the list when it is long enough, and leaves no timer', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const ready = orders.ready({ minEndpoints: 2 });
    registry.list(instances(['a']));
    await clock.advance(100);
    registry.list(instances(['a', 'b']));
    await settled(clock);
    expect(ids(await ready)).toEqual(['a', 'b']);
    expect(clock.pending).toBe(0);
  });

  it('resolves at once when the list is there already', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list(instances(['a']));
    await settled(clock);
    expect(ids(await orders.ready())).toEqual(['a']);
  });

  it('counts what can be picked, and says what the others are', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const outcome = orders.ready({ minEndpoints: 2, timeoutMs: 100 }).catch((error: unknown) => error);
    const rest = [
      instance({ id: 'b', status: 'draining' }),
      instance({ id: 'c', status: 'maintenance' }),
      instance({ id: 'd', status: 'maintenance' }),
      instance({ id: 'e', host: '0.0.0.0' }),
    ];
    registry.list([instance({ id: 'a' }), ...rest]);
    await clock.advance(100);
    expect(await outcome).toMatchObject({
      code: 'NO_ENDPOINTS',
      message:
        'orders has 1 usable endpoint, 1 draining, 2 in maintenance, 1 refused by the address policy after 100 ms, expected at least 2',
    });
    registry.list([instance({ id: 'a' }), instance({ id: 'z' }), ...rest]);
    expect((await orders.ready({ minEndpoints: 2 })).instances).toHaveLength(5);
  });

  it('accepts a confirmed empty list when asked for no endpoints', async () => {
    const { clock, registry, discovery } = await fixture();
    const ready = discovery.service('orders').ready({ minEndpoints: 0 });
    registry.list([]);
    await settled(clock);
    expect(ids(await ready)).toEqual([]);
  });

  it('rejects NOT_RESOLVED at its deadline and says how the registry stands', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.fail('connection refused');
    const outcome = discovery
      .service('orders')
      .ready({ timeoutMs: 500 })
      .catch((error: unknown) => error);
    await clock.advance(499);
    await expect(Promise.race([outcome, 'waiting'])).resolves.toBe('waiting');
    await clock.advance(1);
    expect(await outcome).toMatchObject({
      code: 'NOT_RESOLVED',
      message: expect.stringMatching(
        /orders.*500 ms.*memory:\/\/10\.0\.0\.1:1 is suspended.*connection refused/,
      ),
    });
  });

  it('waits 10 s by default', async () => {
    const { clock, discovery } = await fixture();
    const outcome = discovery
      .service('orders')
      .ready()
      .catch((error: unknown) => error);
    await clock.advance(9999);
    await expect(Promise.race([outcome, 'waiting'])).resolves.toBe('waiting');
    await clock.advance(1);
    expect(await outcome).toMatchObject({ code: 'NOT_RESOLVED' });
  });

  it('rejects NO_ENDPOINTS when the list stays too short', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.list(instances(['a']));
    const outcome = discovery
      .service('orders')
      .ready({ minEndpoints: 3 })
      .catch((error: unknown) => error);
    await clock.advance(10_000);
    expect(await outcome).toMatchObject({
      code: 'NO_ENDPOINTS',
      message: 'orders has 1 usable endpoint after 10000 ms, expected at least 3',
    });
  });

  it.each([{ timeoutMs: Number.NaN }, { timeoutMs: -1 }, { minEndpoints: -1 }])(
    'refuses %o',
    async (options) => {
      const { discovery } = await fixture();
      await expect(discovery.service('orders').ready(options)).rejects.toMatchObject({ code: 'BAD_INPUT' });
    },
  );

  it('rejects with the reason of its signal and leaves no timer', async () => {
    const { clock, discovery } = await fixture();
    const stop = new AbortController();
    const ready = discovery.service('orders').ready({ signal: stop.signal });
    stop.abort(new Error('changed my mind'));
    await expect(ready).rejects.toThrow('changed my mind');
    expect(clock.pending).toBe(0);
  });

  it('rejects CLOSED when the handle closes meanwhile, and afterwards', async () => {
    const { discovery } = await fixture();
    const orders = discovery.service('orders');
    const ready = orders.ready();
    const rejection = expect(ready).rejects.toMatchObject({ code: 'CLOSED' });
    await orders.close();
    await rejection;
    await expect(orders.ready()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('changes', () => {
  it('are told once each, with the difference and the list', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const changes: ListChange[] = [];
    orders.onChange((change) => changes.push(change));
    for (const list of [instances(['a', 'b']), instances(['a', 'b']), [instance({ id: 'b', weight: 2 })]]) {
      registry.list(list);
      await settled(clock);
    }
    expect(changes).toMatchObject([
      { added: [{ id: 'a' }, { id: 'b' }], removed: [], updated: [] },
      { added: [], removed: [{ id: 'a' }], updated: [{ before: { weight: 1 }, after: { weight: 2 } }] },
    ]);
    expect(ids(changes[1]?.snapshot)).toEqual(['b']);
  });

  it('include the first list even when it is empty', async () => {
    const { clock, registry, discovery } = await fixture();
    const changes: ListChange[] = [];
    discovery.service('orders').onChange((change) => changes.push(change));
    registry.list([]);
    await settled(clock);
    expect(changes).toMatchObject([{ added: [], removed: [], updated: [], snapshot: { instances: [] } }]);
  });

  it('are not told to a closed handle', async () => {
    const { clock, registry, discovery } = await fixture();
    const [closed, open] = [discovery.service('orders'), discovery.service('orders')];
    const heard: string[] = [];
    closed.onChange(() => heard.push('closed'));
    open.onChange(() => heard.push('open'));
    await closed.close();
    registry.list(instances(['a']));
    await settled(clock);
    expect(heard).toEqual(['open']);
  });
});

describe('iteration', () => {
  it('yields the current list, then the newest of those that differ, and ends when the handle closes', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list(instances(['a']));
    await settled(clock);
    const seen: (string[] | undefined)[] = [];
    const reading = (async () => {
      for await (const snapshot of orders) seen.push(ids(snapshot));
    })();
    await settled(clock);
    registry.list(instances(['a', 'b']));
    await settled(clock);
    registry.list(instances(['a', 'b']));
    await settled(clock);
    registry.list(instances(['c']));
    await settled(clock);
    await orders.close();
    await reading;
    expect(seen).toEqual([['a'], ['a', 'b'], ['c']]);
  });

  it('waits for the first list when there is none', async () => {
    const { clock, registry, discovery } = await fixture();
    const first = discovery.service('orders')[Symbol.asyncIterator]().next();
    await settled(clock);
    registry.list(instances(['a']));
    expect(ids((await first).value as Snapshot)).toEqual(['a']);
  });

  it('ends at once on a closed handle', async () => {
    const { discovery } = await fixture();
    const orders = discovery.service('orders');
    await orders.close();
    expect(await orders[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });

  it('can be left and begun again', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders', { policy: roundRobin() });
    registry.list(instances(['a']));
    await settled(clock);
    for (let turn = 0; turn < 2; turn++) {
      for await (const snapshot of orders) {
        expect(ids(snapshot)).toEqual(['a']);
        break;
      }
    }
  });
});
