import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../runtime/logger.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';
import { OrderBook } from '../../../sidecar/operator/order-book.js';
import { inForce, NO_ORDERS, nextEnd, type Order, parseOrders } from '../../../sidecar/operator/orders.js';
import { defaultStateDir } from '../../../sidecar/operator/state-dir.js';

const order = (since: number, until: number): Order => ({ reason: 'disk', who: 'ada', since, until });

describe('orders', () => {
  const orders = {
    maintenance: order(0, 100),
    forced: { ...order(0, 200), to: 'up' as const },
    weight: 3,
  };

  test.each([
    [99, true, true],
    [100, false, true],
    [199, false, true],
    [200, false, false],
  ])('at %d: maintenance %s, forced %s, and the weight stays', (now, maintenance, forced) => {
    const left = inForce(orders, now);
    expect([left.maintenance !== undefined, left.forced !== undefined, left.weight]).toEqual([
      maintenance,
      forced,
      3,
    ]);
  });

  test('have a next end', () => {
    expect(nextEnd(orders)).toBe(100);
    expect(nextEnd({ ...orders, maintenance: undefined })).toBe(200);
    expect(nextEnd({ ...NO_ORDERS, weight: 3 })).toBeUndefined();
  });

  test('that were written down are what they were', () => {
    expect(parseOrders(JSON.parse(JSON.stringify(orders)))).toEqual({ orders, problems: [] });
  });

  test.each<[unknown, string]>([
    [{ weight: -1 }, 'weight'],
    [{ weight: '3' }, 'weight'],
    [{ maintenance: { reason: 'x' } }, 'maintenance'],
    [{ maintenance: { ...order(0, 1e12) } }, 'maintenance'],
    [{ forced: { ...order(0, 5), to: 'sideways' } }, 'forced.to'],
  ])('that are wrong are passed over and reported: %j at %s', (value, path) => {
    const { orders, problems } = parseOrders(value);
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect(orders).toEqual(NO_ORDERS);
  });
});

describe('an order book', () => {
  let stateDir: string;
  let clock: VirtualClock;
  const name = { service: 'orders', id: 'one' };
  const open = (): Promise<OrderBook> => OrderBook.open(name, { clock, logger: silentLogger, stateDir });

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'pilotfish-orders-'));
    clock = new VirtualClock();
  });
  afterEach(() => rm(stateDir, { recursive: true, force: true }));

  test('is empty where nothing was kept, and writes nothing', async () => {
    const book = await open();
    expect(book.orders).toEqual(NO_ORDERS);
    expect(await readdir(stateDir)).toEqual([]);
  });

  test('keeps orders over a restart, in a file that only its owner can read', async () => {
    const now = clock.wallNow();
    const first = await open();
    await first.change({ maintenance: order(now, now + 60_000), weight: 7 }, 'test');
    first.close();
    const again = await open();
    expect(again.orders).toEqual({ ...NO_ORDERS, maintenance: order(now, now + 60_000), weight: 7 });
    expect((await stat(join(stateDir, 'orders/one.json'))).mode & 0o777).toBe(0o600);
    again.close();
  });

  test('ends an order when its time is over, and forgets it', async () => {
    const now = clock.wallNow();
    const book = await open();
    const changes: string[] = [];
    book.onChange(({ orders, cause }) => changes.push(`${orders.maintenance === undefined} ${cause}`));
    await book.change({ maintenance: order(now, now + 60_000) }, 'on');
    await clock.advance(59_999);
    expect(changes).toEqual(['false on']);
    await clock.advance(1);
    expect(changes).toEqual(['false on', 'true the time of an order is over']);
    await expect.poll(() => readdir(join(stateDir, 'orders'))).toEqual([]);
  });

  test('does not bring back an order whose time was over while no sidecar ran', async () => {
    const now = clock.wallNow();
    const first = await open();
    await first.change({ forced: { ...order(now, now + 1_000), to: 'down' } }, 'test');
    first.close();
    await clock.advance(1_000);
    expect((await open()).orders).toEqual(NO_ORDERS);
  });

  test('takes an order that it cannot keep, and says that it is not kept', async () => {
    await writeFile(join(stateDir, 'orders'), 'in the way of the directory');
    const book = await open();
    await book.change({ weight: 0 }, 'test');
    expect([book.orders.weight, book.isKept]).toEqual([0, false]);
  });

  test.each(['', '{', 'null', '[]', '{"weight": []}'])(
    'starts without orders from a file that holds %j',
    async (text) => {
      await mkdir(join(stateDir, 'orders'));
      await writeFile(join(stateDir, 'orders/one.json'), text);
      expect((await open()).orders).toEqual(NO_ORDERS);
    },
  );

  test('leaves no half-written file behind', async () => {
    const book = await open();
    await Promise.all([1, 2, 3].map((weight) => book.change({ weight }, 'test')));
    expect([await readdir(join(stateDir, 'orders')), book.isKept]).toEqual([['one.json'], true]);
    expect(JSON.parse(await readFile(join(stateDir, 'orders/one.json'), 'utf8'))).toEqual({ weight: 3 });
  });
});

describe('the directory for state', () => {
  test.each([
    [{ STATE_DIRECTORY: '/var/lib/a:/var/lib/b', HOME: '/home/x' }, '/var/lib/a'],
    [{ XDG_STATE_HOME: '/state', HOME: '/home/x' }, '/state/pilotfish'],
    [{ HOME: '/home/x' }, '/home/x/.local/state/pilotfish'],
    [{}, '/var/lib/pilotfish'],
  ])('for %j is %s', (env, expected) => {
    expect(defaultStateDir(env)).toBe(expected);
  });
});
