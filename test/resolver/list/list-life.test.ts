/** The life of a list as a caller sees it, on a registry in memory. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Instance } from '../../../registry/contract.js';
import { type ConnectOptions, connect, type ServiceHandle, seededRandom } from '../../../resolver/index.js';
import { CloseStack } from '../../../runtime/close-stack.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';
import { instance, MemoryRegistry } from '../memory-registry.js';

const DAY_MS = 86_400_000;

let closers: CloseStack;
let snapshotDir: string;

beforeEach(async () => {
  closers = new CloseStack();
  snapshotDir = await mkdtemp(join(tmpdir(), 'pilotfish-life-'));
});

/** Whoever still writes is waited for. */
afterEach(async () => {
  await closers.close();
  await rm(snapshotDir, { recursive: true, force: true });
});

const at = (ids: string): Instance[] => [...ids].map((id) => instance({ id, port: id.charCodeAt(0) }));
const ids = ({ snapshot }: ServiceHandle): string | undefined =>
  snapshot?.instances.map(({ id }) => id).join('');
const pickable = (orders: ServiceHandle): string =>
  [...new Set(Array.from({ length: 20 }, () => orders.tryPick()?.instance.id ?? ''))].sort().join('');

interface World {
  readonly clock: VirtualClock;
  readonly registry: MemoryRegistry;
  readonly orders: ServiceHandle;
  readonly close: () => Promise<void>;
}

async function world(options: ConnectOptions = {}, clock = new VirtualClock()): Promise<World> {
  const registry = new MemoryRegistry();
  const hold = { answers: async () => true };
  const discovery = await connect(registry, { clock, random: seededRandom(7), hold, ...options });
  const close = () => discovery.close();
  closers.defer(close);
  return { clock, registry, orders: discovery.service('orders'), close };
}

describe('a list that vanishes', () => {
  it('is picked from while it answers, fresh, and 90 s long (T25)', async () => {
    const { clock, registry, orders } = await world();
    registry.list(at('abc'));
    await clock.advance(0);
    registry.list([]);
    await clock.advance(89_000);
    expect([orders.state, pickable(orders), orders.held.length]).toEqual(['fresh', 'abc', 3]);
    await clock.advance(1_000);
    expect([orders.state, orders.tryPick(), orders.held]).toEqual(['empty', undefined, []]);
  });

  it('is believed where the caller says so', async () => {
    const { clock, registry, orders } = await world({ hold: false });
    registry.list(at('abc'));
    await clock.advance(0);
    registry.list([]);
    await clock.advance(0);
    expect([orders.state, orders.held]).toEqual(['empty', []]);
  });

  it('is gone at once when its only instance was taken out', async () => {
    const { clock, registry, orders } = await world();
    registry.list(at('a'));
    await clock.advance(0);
    registry.list([]);
    await clock.advance(0);
    expect(orders.state).toBe('empty');
  });

  it.each([
    ['is held although it had only one, when the registry was away', 10_000, 'a'],
    ['is gone at once again, half a minute later', 31_000, ''],
  ])('%s', async (_, afterMs, expected) => {
    const { clock, registry, orders } = await world();
    registry.list(at('a'));
    await clock.advance(0);
    registry.fail('away');
    await clock.advance(0);
    registry.heal();
    await clock.advance(1_000);
    expect(orders.state).toBe('fresh');
    await clock.advance(afterMs - 1_000);
    registry.list([]);
    await clock.advance(0);
    expect(ids(orders)).toBe(expected);
  });

  it('closes with checks under way, and leaves no timer', async () => {
    const { clock, registry, close } = await world({ hold: { answers: () => new Promise(() => {}) } });
    registry.list(at('abc'));
    await clock.advance(0);
    registry.list([]);
    await clock.advance(10);
    await close();
    expect(clock.pending).toBe(0);
  });
});

describe('maxStaleMs', () => {
  it('ends picks from a list that no registry confirms for so long, until one does', async () => {
    const { clock, registry, orders } = await world({ maxStaleMs: 60_000 });
    registry.list(at('ab'));
    await clock.advance(0);
    registry.fail('away');
    await clock.advance(59_999);
    expect([orders.state, pickable(orders)]).toEqual(['stale', 'ab']);
    await clock.advance(1);
    expect(() => orders.pick()).toThrow(
      'orders has 0 usable endpoints, as last known: the registry cannot be watched, too old to be used',
    );
    const ready = orders.ready();
    registry.heal();
    await clock.advance(15_000);
    await ready;
    expect([orders.state, pickable(orders)]).toEqual(['fresh', 'ab']);
  });

  it('is for ever by default', async () => {
    const { clock, registry, orders } = await world();
    registry.list(at('ab'));
    await clock.advance(0);
    registry.fail('away');
    await clock.advance(3_600_000);
    expect(pickable(orders)).toBe('ab');
  });

  it('with 0 trusts a list only while it is current', async () => {
    const { clock, registry, orders } = await world({ maxStaleMs: 0 });
    registry.list(at('ab'));
    await clock.advance(0);
    expect(pickable(orders)).toBe('ab');
    registry.fail('away');
    await clock.advance(0);
    expect(orders.tryPick()).toBeUndefined();
  });
});

describe('a start from the snapshot file', () => {
  /** What an earlier process saw last. */
  async function earlier(list: string): Promise<void> {
    const { clock, registry, orders, close } = await world({ snapshotDir });
    registry.list(at(list));
    await clock.advance(0);
    expect(ids(orders)).toBe(list);
    await close();
  }

  const laterBy = (ms: number): VirtualClock => new VirtualClock(new VirtualClock().wallNow() + ms);
  const restored = ({ orders }: World) => expect.poll(() => orders.state, { interval: 1 }).toBe('snapshot');

  it('can pick before any registry has answered', async () => {
    await earlier('abc');
    const begun = await world({ snapshotDir }, laterBy(7_000));
    expect(begun.orders.state).toBe('never');
    await restored(begun);
    const { clock, orders } = begun;
    expect([ids(orders), pickable(orders), orders.staleMs]).toEqual(['abc', 'abc', 7_000]);
    await clock.advance(500);
    expect(orders.staleMs).toBe(7_500);
  });

  it('is ready at once when the registry refuses, after a grace when it is silent', async () => {
    await earlier('abc');
    const [silent, refused] = await Promise.all([world({ snapshotDir }), world({ snapshotDir })]);
    await restored(silent);
    await restored(refused);
    refused.registry.fail('refused');
    await refused.clock.advance(0);
    expect((await refused.orders.ready()).instances).toHaveLength(3);
    let isReady = false;
    const ready = silent.orders.ready().then(() => {
      isReady = true;
    });
    await silent.clock.advance(999);
    expect(isReady).toBe(false);
    await silent.clock.advance(1);
    await ready;
    expect(silent.orders.state).toBe('snapshot');
  });

  it('is ready with the list of the registry when that comes within the grace', async () => {
    await earlier('abc');
    const begun = await world({ snapshotDir });
    await restored(begun);
    const ready = begun.orders.ready();
    begun.registry.list(at('abcd'));
    await begun.clock.advance(0);
    expect((await ready).instances).toHaveLength(4);
    expect([begun.orders.state, begun.orders.staleMs]).toEqual(['fresh', 0]);
  });

  it('tells of no change when the registry says the same', async () => {
    await earlier('abc');
    const begun = await world({ snapshotDir });
    const changes: number[] = [];
    begun.orders.onChange(({ added }) => changes.push(added.length));
    await restored(begun);
    begun.registry.list(at('abc'));
    await begun.clock.advance(0);
    expect([begun.orders.state, changes]).toEqual(['fresh', [3]]);
  });

  it.each([
    ['holds what a wiped registry has lost a moment ago', 60_000, 'abc'],
    ['believes the registry when the file is old', 3_600_000, ''],
  ])('%s', async (_, ageMs, expected) => {
    await earlier('abc');
    const begun = await world({ snapshotDir }, laterBy(ageMs));
    await restored(begun);
    begun.registry.list([]);
    await begun.clock.advance(0);
    expect(ids(begun.orders)).toBe(expected);
  });

  it.each([
    ['older than a day', {}, DAY_MS + 1],
    ['older than the caller allows', { snapshotMaxAgeMs: 1_000 }, 1_001],
  ])('ignores a list that is %s', async (_, options, ageMs) => {
    await earlier('abc');
    const { clock, registry, orders } = await world({ snapshotDir, ...options }, laterBy(ageMs));
    await expect.poll(() => orders.snapshotError, { interval: 1 }).toMatch(/expected an age of at most/);
    registry.fail('away');
    await clock.advance(0);
    expect(orders.state).toBe('never');
  });

  it('picks from no list that is older than maxStaleMs', async () => {
    await earlier('abc');
    const begun = await world({ snapshotDir, maxStaleMs: 10_000 }, laterBy(9_000));
    await restored(begun);
    expect(pickable(begun.orders)).toBe('abc');
    await begun.clock.advance(1_000);
    expect(() => begun.orders.pick()).toThrow(/as saved in the snapshot file.*too old to be used/);
  });

  it('forgets a service that was confirmed to be empty', async () => {
    await earlier('a');
    const emptied = await world({ snapshotDir });
    emptied.registry.list([]);
    await emptied.clock.advance(0);
    await emptied.close();
    const { clock, orders, close } = await world({ snapshotDir });
    await close();
    await clock.advance(0);
    expect(orders.state).toBe('never');
  });

  it('keeps out addresses that no registry may send', async () => {
    const options = { snapshotDir, addresses: { allowLoopback: true } };
    const before = await world(options);
    before.registry.list([instance({ id: 'a', host: '127.0.0.1' }), instance({ id: 'b' })]);
    await before.clock.advance(0);
    await before.close();
    const begun = await world({ snapshotDir });
    await restored(begun);
    expect(ids(begun.orders)).toBe('b');
  });

  it('goes on without a file where none can be written', async () => {
    const { clock, registry, orders, close } = await world({ snapshotDir: '/dev/null/lists' });
    registry.list(at('ab'));
    await clock.advance(0);
    await close();
    expect(ids(orders)).toBe('ab');
    expect(orders.snapshotError).toMatchObject({ code: 'ENOTDIR' });
  });

  it('leaves one file for a service, and none unless it is told where', async () => {
    await earlier('abc');
    await earlier('ab');
    expect(await readdir(snapshotDir)).toEqual([expect.stringMatching(/^orders\.[0-9a-f]{16}\.snapshot$/)]);
  });
});

describe('options that make no sense', () => {
  it.each<[ConnectOptions, string]>([
    [{ hold: { share: 2 } }, 'hold.share'],
    [{ hold: { holdMs: -1 } }, 'hold.holdMs'],
    [{ maxStaleMs: Number.NaN }, 'maxStaleMs'],
    [{ snapshotMaxAgeMs: -1 }, 'snapshotMaxAgeMs'],
    [{ snapshotAfterMs: -1 }, 'snapshotAfterMs'],
    [{ snapshotDir: '' }, 'snapshotDir'],
  ])('%j is refused', async (options, path) => {
    await expect(connect(new MemoryRegistry(), options)).rejects.toThrow(new RegExp(`expected .*at ${path}`));
  });
});
