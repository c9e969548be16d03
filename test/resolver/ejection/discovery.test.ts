/** Ejection as a caller turns it on, and what can be seen of it from outside. */
import { channel } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type EjectionOptions,
  leastLoaded,
  type Pick,
  roundRobin,
  type ServiceHandle,
} from '../../../resolver/index.js';
import { fixture, settled } from '../fixture.js';
import { instance, instances } from '../memory-registry.js';

const QUICK: EjectionOptions = { consecutiveFailures: 1 };

async function world(ejection?: EjectionOptions | boolean) {
  const made = await fixture(ejection === undefined ? {} : { ejection });
  made.registry.list(instances(['a', 'b', 'c']));
  const open = async (options = {}): Promise<ServiceHandle> => {
    const handle = made.discovery.service('orders', options);
    await settled(made.clock);
    return handle;
  };
  return { ...made, open };
}

function idsOf(handle: ServiceHandle, picks = 6): string[] {
  return [...new Set(Array.from({ length: picks }, () => handle.pick().instance.id))].sort();
}

/** Fails every pick of one endpoint so often that any rule would eject it. */
function failAt(handle: ServiceHandle, id: string, times = 6): void {
  for (let done = 0; done < times; ) {
    const pick = handle.pick();
    pick.done(pick.instance.id === id ? 'error' : 'ok');
    if (pick.instance.id === id) done++;
    else if (!idsOf(handle).includes(id)) return;
  }
}

describe('ejection', () => {
  it('is off unless it is asked for: picks are the policy’s own, and outcomes are not watched', async () => {
    const { open, discovery } = await world();
    const orders = await open();
    failAt(orders, 'a');
    expect(idsOf(orders)).toEqual(['a', 'b', 'c']);
    const [first, , , fourth] = [orders.pick(), orders.pick(), orders.pick(), orders.pick()];
    expect(fourth).toBe(first);
    expect(discovery.status()[0]).toMatchObject({ ejected: undefined, outcomes: undefined });
  });

  it.each([
    { common: true, own: undefined },
    { common: undefined, own: true },
    { common: QUICK, own: undefined },
    { common: false, own: QUICK },
    { common: false, own: true },
  ])('is on with connect($common) and service($own)', async ({ common, own }) => {
    const { open, discovery } = await world(common);
    const orders = await open(own === undefined ? {} : { ejection: own });
    failAt(orders, 'a');
    expect(idsOf(orders)).toEqual(['b', 'c']);
    expect(discovery.status()[0]).toMatchObject({
      ejected: 1,
      outcomes: { ended: { error: expect.any(Number) } },
    });
    expect(discovery.ejection).toBe(common);
  });

  it('is off for a handle that says so', async () => {
    const { open } = await world(QUICK);
    const orders = await open({ ejection: false });
    failAt(orders, 'a');
    expect(idsOf(orders)).toEqual(['a', 'b', 'c']);
  });

  it('is shared by handles with one policy and the same options, and by no others', async () => {
    const { open } = await world(QUICK);
    const policy = roundRobin();
    const [first, second] = [await open({ policy }), await open({ policy, ejection: true })];
    const [other, plain] = [await open({ policy: leastLoaded() }), await open({ policy, ejection: false })];
    failAt(first, 'a');
    expect(idsOf(second)).toEqual(['b', 'c']);
    expect(idsOf(other, 60)).toEqual(['a', 'b', 'c']);
    expect(idsOf(plain)).toEqual(['a', 'b', 'c']);
  });

  it('survives a list that is empty for a moment', async () => {
    const { open, registry, clock } = await world(QUICK);
    const orders = await open();
    failAt(orders, 'a');
    for (const list of [[], instances(['a', 'b', 'c'])]) {
      registry.list(list);
      await settled(clock);
    }
    expect(idsOf(orders)).toEqual(['b', 'c']);
  });

  it('refuses options that make no sense, before anything is opened', async () => {
    await expect(fixture({ ejection: { baseMs: 0 } })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    const { open } = await world();
    await expect(open({ ejection: { panicBelow: 2 } })).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  it('goes on counting where it was when a service is opened again', async () => {
    const { open, discovery } = await world(QUICK);
    const first = await open();
    failAt(first, 'a', 1);
    await first.close();
    expect(discovery.status()[0]).toMatchObject({ ejected: undefined, outcomes: { ended: { error: 1 } } });
    failAt(await open(), 'a', 1);
    expect(discovery.status()[0]).toMatchObject({ outcomes: { ended: { error: 2 } } });
  });

  it('leaves no timer behind', async () => {
    const { open, clock, discovery } = await world(QUICK);
    failAt(await open(), 'a');
    await discovery.close();
    expect(clock.pending).toBe(0);
  });
});

describe('diagnostics channels', () => {
  const ends: (() => void)[] = [];

  function heard(name: string): Record<string, unknown>[] {
    const messages: Record<string, unknown>[] = [];
    const listen = (message: unknown): void => void messages.push(message as Record<string, unknown>);
    channel(name).subscribe(listen);
    ends.push(() => channel(name).unsubscribe(listen));
    return messages;
  }

  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  it('pilotfish:ejection tells who is ejected, why, for how long, and who is back', async () => {
    const messages = heard('pilotfish:ejection');
    const { open, clock } = await world(QUICK);
    const orders = await open();
    failAt(orders, 'a', 1);
    orders.pick();
    await clock.advance(5000);
    let pick: Pick = orders.pick();
    while (pick.instance.id !== 'a') pick = orders.pick();
    pick.done('ok');
    orders.pick();
    const common = { service: 'orders', instance: instance({ id: 'a' }), reason: 'consecutive' };
    expect(messages).toEqual([
      { ...common, event: 'ejected', forMs: expect.any(Number) },
      { ...common, event: 'returned', forMs: 0 },
    ]);
    expect(messages[0]?.forMs).toBeGreaterThanOrEqual(2500);
  });

  it('pilotfish:panic tells when ejections are ignored, and when no more', async () => {
    const messages = heard('pilotfish:panic');
    const { open } = await world(QUICK);
    const orders = await open();
    const [first, second, third] = [orders.pick(), orders.pick(), orders.pick()];
    first.done('error');
    second.done('error');
    third.done('error');
    orders.pick().done('ok');
    orders.pick().done('ok');
    orders.pick();
    expect(messages).toEqual([
      { service: 'orders', event: 'begins', endpoints: 3, outliers: 3 },
      { service: 'orders', event: 'ends', endpoints: 3, outliers: 1 },
    ]);
  });

  it('pilotfish:list tells of lists that changed', async () => {
    const messages = heard('pilotfish:list');
    const { open, registry, clock } = await world();
    const orders = await open();
    registry.list(instances(['a', 'd']));
    await settled(clock);
    expect(messages).toMatchObject([
      { service: 'orders', added: 3, removed: 0, updated: 0 },
      { service: 'orders', added: 1, removed: 2, updated: 0, snapshot: orders.snapshot },
    ]);
  });

  it('pilotfish:pick tells of picks that found an endpoint', async () => {
    const messages = heard('pilotfish:pick');
    const { open } = await world();
    const orders = await open();
    const { instance } = orders.pick();
    const other = orders.pickOther(new Set([instance.id]));
    const none = orders.pickOther(new Set(['a', 'b', 'c']));
    expect(messages).toEqual(
      [instance, other?.instance].map((each) => ({ service: 'orders', instance: each })),
    );
    expect(none).toBeUndefined();
  });

  it('pilotfish:pick costs a pick nothing while nobody subscribed', async () => {
    const { open } = await world();
    const orders = await open();
    const messages = heard('pilotfish:pick');
    orders.pick();
    expect(messages).toEqual([]);
  });
});
