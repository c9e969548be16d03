/**
 * What a person has told the sidecar about one of its instances: maintenance, forced up or down, another weight. Orders
 * are stronger than any probe, and those that take an instance out of service, or keep it there, end by themselves:
 * maintenance that somebody forgot is an outage that waits for the next one. Everything here is a pure function.
 */
import { isWeight, MAX_WEIGHT } from '../../registry/instance.js';
import { formatDuration } from '../../runtime/duration.js';
import { describe, type Problem } from '../../runtime/expected.js';
import { fieldsOf } from '../../runtime/fields.js';
import { printable } from '../../runtime/printable.js';

/** Who wants it, why, and until when. Times in milliseconds since the Unix epoch: an order outlives a process. */
export interface Order {
  readonly reason: string;
  readonly who: string;
  readonly since: number;
  readonly until: number;
}

export interface ForcedOrder extends Order {
  readonly to: 'up' | 'down';
}

export interface Orders {
  readonly maintenance: Order | undefined;
  readonly forced: ForcedOrder | undefined;
  /** Instead of the configured weight. */
  readonly weight: number | undefined;
}

export const NO_ORDERS: Orders = Object.freeze({
  maintenance: undefined,
  forced: undefined,
  weight: undefined,
});

/** The longest an order may last. */
export const MAX_ORDER_MS = 7 * 24 * 3_600_000;

const MAX_TEXT_LENGTH = 200;

/** Without those that are over. The same object when none is. */
export function inForce(orders: Orders, wallNow: number): Orders {
  const { maintenance, forced } = orders;
  const isOver = (order: Order | undefined): boolean => order !== undefined && order.until <= wallNow;
  if (!isOver(maintenance) && !isOver(forced)) return orders;
  return {
    ...orders,
    maintenance: isOver(maintenance) ? undefined : maintenance,
    forced: isOver(forced) ? undefined : forced,
  };
}

/** When the next of them ends; undefined when none does. */
export function nextEnd({ maintenance, forced }: Orders): number | undefined {
  const ends = [maintenance, forced].flatMap((order) => (order === undefined ? [] : [order.until]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** One line for people: why, by whom, until when. */
export function describeOrder({ reason, who, until }: Order): string {
  return `${reason === '' ? 'no reason given' : reason}, by ${who}, until ${new Date(until).toISOString()}`;
}

/** Orders that were written down earlier, by us or by whoever can write the file. Reports everything that is wrong. */
export function parseOrders(value: unknown): {
  readonly orders: Orders;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const { maintenance, forced, weight } = fieldsOf(value);
  if (weight !== undefined && !isWeight(weight)) {
    problems.push({ path: 'weight', expected: `a number from 0 to ${MAX_WEIGHT}`, got: describe(weight) });
  }
  const { to } = fieldsOf(forced);
  if (forced !== undefined && to !== 'up' && to !== 'down') {
    problems.push({ path: 'forced.to', expected: '"up" or "down"', got: describe(to) });
  }
  const kept = parseOrder(forced, 'forced', problems);
  return {
    orders: {
      maintenance: parseOrder(maintenance, 'maintenance', problems),
      forced: kept === undefined || (to !== 'up' && to !== 'down') ? undefined : { ...kept, to },
      weight: isWeight(weight) ? weight : undefined,
    },
    problems,
  };
}

function parseOrder(value: unknown, path: string, problems: Problem[]): Order | undefined {
  if (value === undefined) return undefined;
  const { reason, who, since, until } = fieldsOf(value);
  const isRight =
    typeof reason === 'string' &&
    typeof who === 'string' &&
    Number.isFinite(since) &&
    Number.isFinite(until) &&
    (until as number) - (since as number) <= MAX_ORDER_MS;
  if (isRight) {
    return { ...textsOf(reason, who), since: since as number, until: until as number };
  }
  const expected = `reason, who, since and until, at most ${formatDuration(MAX_ORDER_MS)} apart`;
  problems.push({ path, expected, got: describe(value) });
  return undefined;
}

/** One printable line each, not too long for a registry entry. */
export function textsOf(reason: string, who: string): Pick<Order, 'reason' | 'who'> {
  return { reason: printable(reason, MAX_TEXT_LENGTH), who: printable(who, MAX_TEXT_LENGTH) };
}
