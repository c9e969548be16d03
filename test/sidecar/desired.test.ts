import { describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/harness.js';
import { type DrainStage, desiredInstance } from '../../sidecar/desired.js';
import type { HealthState } from '../../sidecar/health.js';
import { NO_ORDERS, type Order, type Orders } from '../../sidecar/operator/orders.js';

const instance = { ...instanceOf({ service: 'orders', id: 'one' }), weight: 10 };
const order: Order = { reason: 'new disk', who: 'ada', since: 0, until: 3_600_000 };
const maintenance: Orders = { ...NO_ORDERS, maintenance: order };
const up: Orders = { ...NO_ORDERS, forced: { ...order, to: 'up' } };
const down: Orders = { ...NO_ORDERS, forced: { ...order, to: 'down' } };

function desired(health: HealthState, orders: Orders = NO_ORDERS, drain: DrainStage = 'none'): string {
  const found = desiredInstance({ instance, health, orders, drain, warningWeight: 0.25 });
  return found === undefined ? 'nothing' : `${found.status} ${found.weight}`;
}

describe('an instance is to be listed', () => {
  test.each<[HealthState, string]>([
    ['starting', 'nothing'],
    ['passing', 'passing 10'],
    ['warning', 'warning 2.5'],
    ['failing', 'nothing'],
  ])('as its probes say: %s as %s', (health, expected) => {
    expect(desired(health)).toBe(expected);
  });

  test.each<[string, HealthState, Orders, DrainStage, string]>([
    ['maintenance beats a passing probe', 'passing', maintenance, 'none', 'maintenance 10'],
    [
      'maintenance beats a failing probe, so that everybody sees it',
      'failing',
      maintenance,
      'none',
      'maintenance 10',
    ],
    ['maintenance beats forced up', 'passing', { ...up, maintenance: order }, 'none', 'maintenance 10'],
    ['forced down beats a passing probe', 'passing', down, 'none', 'nothing'],
    ['forced up beats a failing probe', 'failing', up, 'none', 'passing 10'],
    ['forced up beats one that is starting', 'starting', up, 'none', 'passing 10'],
    ['a drain beats a passing probe', 'passing', NO_ORDERS, 'marked', 'draining 10'],
    ['a drain does not list what fails', 'failing', NO_ORDERS, 'marked', 'nothing'],
    ['a drain does not end maintenance', 'passing', maintenance, 'marked', 'maintenance 10'],
    ['the end of a drain beats everything', 'passing', { ...up, maintenance: order }, 'withdrawn', 'nothing'],
  ])('%s', (_, health, orders, drain, expected) => {
    expect(desired(health, orders, drain)).toBe(expected);
  });

  test.each([
    [20, 'passing', 'passing 20'],
    [20, 'warning', 'warning 5'],
    [0, 'passing', 'passing 0'],
    [0, 'warning', 'warning 0'],
    [0.001, 'warning', 'warning 0.001'],
  ] as const)('with the weight %d that an operator set, while %s, as %s', (weight, health, expected) => {
    expect(desired(health, { ...NO_ORDERS, weight })).toBe(expected);
  });

  test('with a note that says why, by whom and until when it is in maintenance', () => {
    const facts = { instance, health: 'passing', drain: 'none', warningWeight: 1 } as const;
    expect(desiredInstance({ ...facts, orders: maintenance })?.note).toBe(
      'new disk, by ada, until 1970-01-01T01:00:00.000Z',
    );
    expect(desiredInstance({ ...facts, orders: NO_ORDERS })?.note).toBeUndefined();
  });
});
