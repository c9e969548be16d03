/** What the tests of all policies share: to build, to pick, to count, and to compare counts with shares. */

import type { Instance } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import {
  type Clock,
  type Picker,
  type PickRequest,
  type Policy,
  seededRandom,
} from '../../resolver/index.js';
import { HandClock } from '../simulator/hand-clock.js';
import { instance } from './memory-registry.js';

export function build(
  policy: Policy,
  list: readonly Instance[],
  seed = 1,
  previous?: Picker,
  clock: Clock = new HandClock(),
): Picker {
  return policy.build(list, previous, { clock, random: seededRandom(seed) });
}

/** Lists of one service, one after the other, as the balancer hands them to a policy. */
export class Chain {
  readonly clock: HandClock;
  readonly #policy: Policy;
  readonly #context;
  picker: Picker | undefined;

  constructor(policy: Policy, seed = 1, clock: HandClock = new HandClock()) {
    this.clock = clock;
    this.#policy = policy;
    this.#context = { clock, random: seededRandom(seed) };
  }

  list(instances: readonly Instance[]): Picker {
    this.picker = this.#policy.build(instances, this.picker, this.#context);
    return this.picker;
  }
}

/** So many picks, each done at once. */
export function picked(picker: Picker, count: number, request?: PickRequest): string[] {
  return Array.from({ length: count }, () => {
    const pick = picker.pick(request);
    pick?.done('ok', { latencyMs: 1 });
    return pick?.instance.id as string;
  });
}

export function tally(ids: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}

export function weighted(weights: readonly number[]): Instance[] {
  return weights.map((weight, n) => instance({ id: `w${`${n}`.padStart(3, '0')}`, weight }));
}

/** An instance with what filters look at. */
export function described(id: string, fields: Partial<Instance> = {}): Instance {
  const parsed = parseInstance({ service: 'orders', id, host: '10.0.0.1', port: 80, ...fields });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

/** Sum of (observed - expected)² / expected. */
export function chiSquare(observed: readonly number[], expected: readonly number[]): number {
  return observed.reduce(
    (sum, count, n) => sum + (count - (expected[n] as number)) ** 2 / (expected[n] as number),
    0,
  );
}

/** What chi-square exceeds once in a million, by the approximation of Wilson and Hilferty. */
export function chiSquareLimit(freedom: number): number {
  const k = 2 / (9 * freedom);
  return freedom * (1 - k + 4.75 * Math.sqrt(k)) ** 3;
}

/** Counts of picks against the weights of the list; below 1 when chance alone explains the difference. */
export function misfit(list: readonly Instance[], ids: readonly string[]): number {
  const counts = tally(ids);
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  const expected = list.map(({ weight }) => (ids.length * weight) / total);
  const observed = list.map(({ id }) => counts[id] ?? 0);
  return chiSquare(observed, expected) / chiSquareLimit(list.length - 1);
}
