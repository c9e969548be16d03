import { expect, test } from 'vitest';
import { Latencies } from '../../../resolver/call/latencies.js';
import { WindowCount } from '../../../resolver/call/window-count.js';
import { RetryBudget } from '../../../resolver/index.js';

/** How many of these withdrawals are allowed. */
function withdrawn(budget: RetryBudget, nowMs: number, wanted: number): number {
  let allowed = 0;
  for (let n = 0; n < wanted; n++) if (budget.withdraw(nowMs)) allowed++;
  return allowed;
}

function deposited(budget: RetryBudget, nowMs: number, requests: number): void {
  for (let n = 0; n < requests; n++) budget.deposit(nowMs);
}

test('a quiet service may retry 10 times a second, also all at once', () => {
  const budget = new RetryBudget();
  expect(withdrawn(budget, 5, 1000)).toBe(100);
  expect(withdrawn(budget, 8999, 1000)).toBe(0);
  expect(withdrawn(budget, 10_000, 1000)).toBe(100);
});

test('each request adds a fifth of a retry, for ten seconds', () => {
  const budget = new RetryBudget({ perSecond: 0 });
  deposited(budget, 0, 500);
  expect(withdrawn(budget, 8000, 60)).toBe(60);
  expect(withdrawn(budget, 8999, 1000)).toBe(40);
  deposited(budget, 10_000, 500);
  expect(withdrawn(budget, 10_000, 1000)).toBe(0);
  expect(withdrawn(budget, 18_000, 1000)).toBe(100);
});

test('three in a window are always allowed', () => {
  expect(withdrawn(new RetryBudget({ ratio: 0, perSecond: 0 }), 0, 10)).toBe(3);
});

test('in any 10 seconds of a storm no more is spent than was earned (T31)', () => {
  const budget = new RetryBudget();
  const spent: number[] = [];
  for (let ms = 0; ms < 60_000; ms += 10) {
    deposited(budget, ms, 10);
    spent.push(withdrawn(budget, ms, 10));
  }
  for (let from = 0; from + 1000 <= spent.length; from += 100) {
    const window = spent.slice(from, from + 1000).reduce((sum, count) => sum + count, 0);
    expect(window).toBeLessThanOrEqual(0.2 * 10_000 + 100);
    expect(window).toBeGreaterThan(0.9 * (0.2 * 10_000 + 100));
  }
});

test.each([
  [{ ratio: 1.5 }, 'expected a number from 0 to 1, got 1.5, at ratio'],
  [{ perSecond: -1 }, 'expected a number from 0 to 1000000, got -1, at perSecond'],
  [{ ttlMs: Number.NaN }, 'expected a number from 1000 to 60000, got NaN, at ttlMs'],
])('%o is refused', (options, message) => {
  expect(() => new RetryBudget(options)).toThrow(message);
});

test('a window forgets by slots, however long nobody looked', () => {
  const count = new WindowCount(1000);
  for (const ms of [0, 50, 150, 950]) count.add(ms);
  expect([999, 1000, 1099, 1100, 1899, 1900].map((ms) => count.total(ms))).toEqual([4, 2, 2, 1, 1, 0]);
  count.add(5_000_000);
  expect(count.total(5_000_000)).toBe(1);
});

test('the 95th percentile is known after 20 answers and follows the latest 200', () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 19; ms++) latencies.add(ms);
  expect(latencies.p95).toBeUndefined();
  latencies.add(20);
  expect(latencies.p95).toBe(19);
  for (let n = 0; n < 200; n++) latencies.add(500);
  expect(latencies.p95).toBe(500);
});
