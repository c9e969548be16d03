import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RegistryReader, RegistryState, Snapshot } from '../../registry/contract.js';
import { snapshotOf } from '../../registry/snapshot.js';
import { type SupervisedWatch, supervise, type WatchUpdate } from '../../registry/supervised.js';
import { idsOf, instanceOf } from '../../registry/testing/harness.js';
import { Emitter } from '../../runtime/events.js';
import { Latest } from '../../runtime/latest.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

/** A registry whose watch a test feeds, breaks and counts. */
class FedRegistry implements RegistryReader {
  readonly kind = 'fed';
  readonly url = 'fed:';
  readonly state: RegistryState = 'connected';
  readonly onState = new Emitter<RegistryState>().event;
  feed = new Latest<Snapshot>();
  subscriptions = 0;

  async *watch(_service: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Snapshot> {
    this.subscriptions++;
    this.feed = new Latest();
    const { feed } = this;
    signal?.addEventListener('abort', () => feed.end());
    yield* feed;
  }

  async services(): Promise<readonly string[]> {
    return [];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}

const list = (...ids: readonly string[]): Snapshot =>
  snapshotOf(
    'orders',
    ids.map((id) => instanceOf({ service: 'orders', id })),
    1,
  );

let clock: VirtualClock;
let registry: FedRegistry;
let watch: SupervisedWatch;
let updates: WatchUpdate[];
let lines: string[];

beforeEach(() => {
  clock = new VirtualClock();
  registry = new FedRegistry();
  updates = [];
  lines = [];
  const log = (_fields: object, message: string): void => void lines.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  watch = supervise(registry, 'orders', { clock, random: seededRandom(3), logger });
  watch.onUpdate((update) => updates.push(update));
});

afterEach(async () => {
  await watch.close();
  expect(clock.pending).toBe(0);
});

async function feed(snapshot: Snapshot): Promise<void> {
  await clock.advance(0);
  registry.feed.push(snapshot);
  await clock.advance(0);
}

async function breakWatch(): Promise<void> {
  registry.feed.fail(new Error('connection lost'));
  await clock.advance(0);
}

test('knows nothing before the first list', () => {
  expect(watch.snapshot).toBeUndefined();
  expect(watch.staleMs).toBeUndefined();
});

test('reports each list with what changed', async () => {
  await feed(list('a'));
  await feed(list('a', 'b'));
  const [first, second] = updates;
  expect(first).toMatchObject({ type: 'snapshot', change: { added: [{ id: 'a' }] } });
  expect(second).toMatchObject({ type: 'snapshot', change: { added: [{ id: 'b' }], removed: [] } });
});

test('an equal list only confirms, and keeps the instances it had', async () => {
  await feed(list('a'));
  const before = watch.snapshot?.instances;
  await feed(list('a'));
  expect(updates.at(-1)).toMatchObject({ change: { added: [], removed: [], updated: [] } });
  expect(watch.snapshot?.instances).toBe(before);
});

describe('a watch that breaks', () => {
  beforeEach(() => feed(list('a')));

  test('keeps the last list and says for how long it is unconfirmed', async () => {
    await clock.advance(5_000);
    expect(watch.staleMs).toBe(0);
    await breakWatch();
    registry.watch = async function* () {
      yield* [];
      throw new Error('still away');
    };
    await clock.advance(60_000);
    expect(watch.snapshot?.instances.map(({ id }) => id)).toEqual(['a']);
    expect(watch.staleMs).toBe(60_000);
  });

  test('is subscribed again, and whole with the next list', async () => {
    await breakWatch();
    await clock.advance(1_000);
    expect(registry.subscriptions).toBe(2);
    await feed(list('b'));
    expect(watch.staleMs).toBe(0);
    expect(watch.error).toBeUndefined();
    expect(updates.at(-1)).toMatchObject({ change: { added: [{ id: 'b' }], removed: [{ id: 'a' }] } });
  });

  test('that ends without an error is broken as well (T21)', async () => {
    registry.feed.end();
    await clock.advance(1_000);
    expect(updates.some(({ type }) => type === 'broken')).toBe(true);
    expect(registry.subscriptions).toBe(2);
  });

  test('is one line when it breaks and one when it is whole, however often it is tried', async () => {
    await breakWatch();
    const broken = registry.watch;
    registry.watch = async function* () {
      yield* [];
      throw new Error('still away');
    };
    await clock.advance(600_000);
    registry.watch = broken;
    await clock.advance(15_000);
    await feed(list('a'));
    expect(lines).toEqual(['watch broke, keeping the last list', 'watch is whole again']);
  });

  test('is tried again with pauses of at most 15 s, spread at random (T27)', async () => {
    const attempts: number[] = [];
    registry.watch = async function* () {
      yield* [];
      attempts.push(clock.now());
      throw new Error('away');
    };
    await breakWatch();
    await clock.advance(600_000);
    const pauses = attempts.slice(1).map((at, i) => at - (attempts[i] as number));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(15_000);
    expect(attempts.length).toBeLessThan(200);
    expect(new Set(pauses.map(Math.round)).size).toBeGreaterThan(pauses.length / 2);
  });
});

test('a rejected entry is logged once (T23)', async () => {
  const rejected = [{ entry: 'm\u001b[31m', reason: 'expected a JSON object, got "x", at entry' }];
  await feed({ ...list('a'), rejected });
  await feed({ ...list('a', 'b'), rejected });
  expect(lines).toEqual(['skipped a registry entry']);
});

describe('an entry that turned into nonsense', () => {
  const spoilt = { entry: 'a', reason: 'expected a JSON object, got "x", at entry', id: 'a' };

  test('keeps what it said, also when the watch begins anew (T23)', async () => {
    await feed(list('a', 'b'));
    await feed({ ...list('b', 'c'), rejected: [spoilt] });
    expect(idsOf(watch.snapshot)).toEqual(['a', 'b', 'c']);
    await breakWatch();
    await clock.advance(1_000);
    const { id: _, ...untold } = spoilt;
    await feed({ ...list('c'), rejected: [untold] });
    await breakWatch();
    await clock.advance(1_000);
    await feed({ ...list('c'), rejected: [untold] });
    expect(idsOf(watch.snapshot)).toEqual(['a', 'c']);
    expect(
      updates.flatMap((update) => (update.type === 'snapshot' ? update.change.removed : [])),
    ).toMatchObject([{ id: 'b' }]);
    expect(lines.filter((line) => line.includes('keeping what it said before'))).toHaveLength(1);
  });

  test('is gone with its entry, and never stands beside the same id elsewhere (T23)', async () => {
    await feed(list('a', 'b'));
    const elsewhere = instanceOf({ service: 'orders', id: 'a', port: 9 });
    await feed(snapshotOf('orders', [elsewhere], 2, [spoilt]));
    expect(watch.snapshot?.instances).toEqual([elsewhere]);
    expect(lines).toEqual(['skipped a registry entry']);
    await feed(list('b'));
    expect(idsOf(watch.snapshot)).toEqual(['b']);
  });

  test('that was never understood is left out, and so is one whose id cannot be told (T23)', async () => {
    await feed({ ...list('b'), rejected: [spoilt] });
    await feed({ ...list(), rejected: [spoilt, { entry: 'b', reason: 'expected a port, got 0, at port' }] });
    expect(idsOf(watch.snapshot)).toEqual([]);
  });
});

test('closing ends the watch of the registry and reports nothing more', async () => {
  await feed(list('a'));
  const before = updates.length;
  await watch.close();
  registry.feed.push(list('b'));
  await clock.advance(60_000);
  expect(updates.length).toBe(before);
  expect(registry.subscriptions).toBe(1);
});
