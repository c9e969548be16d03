import { describe, expect, it } from 'vitest';
import { noRetries } from '../../resolver/call/counters.js';
import {
  type Combination,
  type ConnectOptions,
  connect,
  random,
  seededRandom,
} from '../../resolver/index.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { fixture, settled } from './fixture.js';
import { instance, instances, MemoryRegistry } from './memory-registry.js';

describe('handles of one service', () => {
  it('share one watch, which ends with the last of them', async () => {
    const { clock, registry, discovery } = await fixture();
    const handles = [discovery.service('orders'), discovery.service('orders', { policy: random() })];
    await settled(clock);
    expect([registry.begun, registry.open]).toEqual([1, 1]);
    await handles[0]?.close();
    expect(registry.open).toBe(1);
    await handles[1]?.close();
    expect(registry.open).toBe(0);
  });

  it('begin a new watch after the last one closed', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.list(instances(['a']));
    await discovery.service('orders').close();
    const again = discovery.service('orders');
    await settled(clock);
    expect([registry.begun, registry.open, again.pick().instance.id]).toEqual([2, 1, 'a']);
  });

  it('with one policy keep one place in the list together', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.list(instances(6));
    const [one, two] = [discovery.service('orders'), discovery.service('orders')];
    await settled(clock);
    const picked = Array.from({ length: 3 }, () => [one.pick().instance.id, two.pick().instance.id]).flat();
    expect(new Set(picked).size).toBe(6);
  });

  it('give back their share only once, however often they are closed', async () => {
    const { clock, registry, discovery } = await fixture();
    const [one] = [discovery.service('orders'), discovery.service('orders')];
    await settled(clock);
    await Promise.all([one?.close(), one?.close(), one?.[Symbol.asyncDispose]()]);
    expect(registry.open).toBe(1);
  });

  it('of different services do not share', async () => {
    const { clock, registry, discovery } = await fixture();
    discovery.service('orders');
    discovery.service('invoices');
    await settled(clock);
    expect(registry.open).toBe(2);
  });
});

describe('closing a discovery', () => {
  it('closes every handle and leaves no watch and no timer, also while the registry is away', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.fail('down');
    await settled(clock);
    const ready = orders.ready().catch((error: unknown) => error);
    expect(clock.pending).toBeGreaterThan(0);
    await discovery.close();
    expect(await ready).toMatchObject({ code: 'CLOSED' });
    expect([registry.open, clock.pending]).toEqual([0, 0]);
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('is idempotent, and refuses new handles afterwards', async () => {
    const { discovery } = await fixture();
    await Promise.all([discovery.close(), discovery.close(), discovery[Symbol.asyncDispose]()]);
    expect(() => discovery.service('orders')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('leaves a registry open that the caller opened', async () => {
    const { registry, discovery } = await fixture();
    await discovery.close();
    expect(registry.closed).toBe(false);
  });
});

describe('bad input', () => {
  it.each(['', '../etc', 'a/b', '.hidden', 'x'.repeat(256)])(
    'the service name %j is refused',
    async (name) => {
      const { registry, discovery } = await fixture();
      expect(() => discovery.service(name)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }));
      expect(registry.begun).toBe(0);
    },
  );

  it('another word for what several registries are together is refused', async () => {
    const options = { registries: 'first' as Combination };
    await expect(connect(new MemoryRegistry(), options)).rejects.toThrow(
      'expected merge or prefer, got "first", at registries',
    );
  });

  it.each([['no-such-scheme://x'], [[]], [['nothing']]])('the registry %j is refused', async (source) => {
    await expect(connect(source)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });
});

describe('status', () => {
  it('tells of every service, and goes on counting when one is opened again', async () => {
    const { clock, registry, discovery } = await fixture();
    registry.list(instances(['a', 'b']), [{ entry: 'bad', reason: 'not JSON' }]);
    const orders = discovery.service('orders');
    orders.tryPick();
    await settled(clock);
    orders.pick();
    registry.fail('away');
    await settled(clock);
    const counts = { picks: 1, emptyPicks: 1, watchUpdates: 1, watchErrors: 1, retries: noRetries() };
    const [status] = discovery.status();
    expect(status).toEqual({
      service: 'orders',
      ...counts,
      state: 'stale',
      endpoints: 2,
      held: 0,
      rejectedEntries: 1,
      staleMs: 0,
    });
    await orders.close();
    expect(discovery.status()).toMatchObject([{ ...counts, state: undefined, endpoints: undefined }]);
    registry.heal();
    const again = discovery.service('orders');
    await settled(clock);
    again.pick();
    expect(discovery.status()).toMatchObject([{ picks: 2, state: 'fresh' }]);
  });
});

describe('several registries', () => {
  async function pair(registries?: Combination, options: ConnectOptions = {}) {
    const clock = new VirtualClock();
    const [first, second] = [
      new MemoryRegistry('memory://10.0.0.1:1'),
      new MemoryRegistry('memory://10.0.0.2:1'),
    ];
    const discovery = await connect([first, second], {
      hold: false,
      clock,
      random: seededRandom(3),
      ...(registries && { registries }),
      ...options,
    });
    return { clock, first, second, discovery, orders: discovery.service('orders') };
  }
  type Pair = Awaited<ReturnType<typeof pair>>;
  const ports = ({ orders }: Pair) =>
    Object.fromEntries(orders.snapshot?.instances.map(({ id, endpoint }) => [id, endpoint.port]) ?? []);

  it('are united by instance id, and the registry named first wins', async () => {
    const world = await pair();
    world.first.list([instance({ id: 'a', port: 1 }), instance({ id: 'b', port: 1 })]);
    world.second.list([instance({ id: 'b', port: 2 }), instance({ id: 'c', port: 2 })]);
    await settled(world.clock);
    expect(ports(world)).toEqual({ a: 1, b: 1, c: 2 });
  });

  it('need only one of them to answer', async () => {
    const world = await pair();
    world.first.fail('down');
    await settled(world.clock);
    expect(world.orders.state).toBe('never');
    world.second.list([instance({ id: 'c', port: 2 })]);
    expect((await world.orders.ready()).instances).toHaveLength(1);
    expect(world.orders.state).toBe('fresh');
  });

  it('keep the last list of one that broke and follow the other', async () => {
    const world = await pair();
    world.first.list([instance({ id: 'a', port: 1 })]);
    world.second.list([instance({ id: 'c', port: 2 })]);
    await settled(world.clock);
    world.first.fail('down');
    await world.clock.advance(2000);
    world.second.list([instance({ id: 'd', port: 2 })]);
    await settled(world.clock);
    expect(ports(world)).toEqual({ a: 1, d: 2 });
    expect([world.orders.state, world.orders.staleMs]).toEqual(['stale', 2000]);
  });

  it('name themselves when none answers', async () => {
    const world = await pair();
    world.first.fail('refused');
    const outcome = world.orders.ready({ timeoutMs: 100 }).catch((error: unknown) => error);
    await world.clock.advance(100);
    expect(await outcome).toMatchObject({
      code: 'NOT_RESOLVED',
      message: expect.stringMatching(
        /10\.0\.0\.1:1 is suspended \(.*refused\); memory:\/\/10\.0\.0\.2:1 is connecting$/,
      ),
    });
  });

  it('grow in revision when another one answers', async () => {
    const world = await pair();
    world.first.list(instances(['a']));
    await settled(world.clock);
    const before = world.orders.snapshot?.revision as number;
    world.second.list(instances(['b']));
    await settled(world.clock);
    expect(world.orders.snapshot?.revision).toBeGreaterThan(before);
  });

  it('give the strictest status that a current one knows, also when one of them breaks and comes back', async () => {
    const world = await pair();
    const statuses: string[] = [];
    world.orders.onChange(({ snapshot }) => statuses.push(`${snapshot.instances[0]?.status}`));
    world.first.list([instance({ id: 'a' })]);
    world.second.list([instance({ id: 'a', status: 'draining' })]);
    await settled(world.clock);
    world.second.fail('down');
    await settled(world.clock);
    world.second.heal();
    await world.clock.advance(15_000);
    expect(statuses).toEqual(['passing', 'draining', 'passing', 'draining']);
    const { watchUpdates, watchErrors } = world.discovery.status()[0] ?? {};
    expect([watchUpdates, watchErrors]).toEqual([3, 1]);
  });

  it('that are preferred in order move when the first is silent for 10 s, and back when it answers', async () => {
    const world = await pair('prefer');
    const lists: string[] = [];
    const note = () => lists.push(`${Object.keys(ports(world))} ${world.orders.state}`);
    world.orders.onChange(note);
    world.second.list([instance({ id: 'b', port: 2 })]);
    await settled(world.clock);
    world.first.list([instance({ id: 'a', port: 1 })]);
    await settled(world.clock);
    world.first.fail('down');
    await world.clock.advance(9_999);
    expect([ports(world), world.orders.state, world.orders.staleMs]).toEqual([{ a: 1 }, 'stale', 9_999]);
    await world.clock.advance(1);
    expect([ports(world), world.orders.state, world.orders.staleMs]).toEqual([{ b: 2 }, 'fresh', 0]);
    world.first.heal();
    await world.clock.advance(15_000);
    expect([ports(world), world.orders.state]).toEqual([{ a: 1 }, 'fresh']);
    expect(lists).toEqual(['b fresh', 'a fresh', 'b fresh', 'a fresh']);
  });

  it('that are preferred in order move to an equal list that may be used where the first was too old', async () => {
    const world = await pair('prefer', { maxStaleMs: 5_000 });
    for (const registry of [world.first, world.second]) registry.list(instances(['a']));
    await settled(world.clock);
    world.first.hang('down');
    await world.clock.advance(9_999);
    expect(world.orders.tryPick()).toBeUndefined();
    await world.clock.advance(1);
    expect(world.orders.tryPick()?.instance.id).toBe('a');
  });

  it('that are preferred in order grow in revision whichever is used', async () => {
    const world = await pair('prefer');
    const revisions: number[] = [];
    world.orders.onChange(({ snapshot }) => revisions.push(snapshot.revision));
    world.second.list([instance({ id: 'b', port: 2 })]);
    await settled(world.clock);
    world.first.list([instance({ id: 'a', port: 1 })]);
    await settled(world.clock);
    world.first.list([]);
    await settled(world.clock);
    expect(revisions).toEqual([1, 2, 3]);
  });

  it('leave no timer of a preference behind', async () => {
    const world = await pair('prefer');
    world.first.list([instance({ id: 'a', port: 1 })]);
    world.second.list([instance({ id: 'b', port: 2 })]);
    await settled(world.clock);
    world.first.fail('down');
    await world.clock.advance(1000);
    await world.discovery.close();
    expect(world.clock.pending).toBe(0);
  });

  it('leave nothing running', async () => {
    const world = await pair();
    world.first.fail('down');
    await settled(world.clock);
    await world.discovery.close();
    expect([world.first.open, world.second.open, world.clock.pending]).toEqual([0, 0, 0]);
  });
});
