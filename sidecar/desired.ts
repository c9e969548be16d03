/**
 * How an instance is to be listed, from everything that has a say in it. The strongest first: a drain that has got to
 * its end, maintenance, forced up or down, the probes. Everything here is a pure function.
 */
import type { Instance } from '../registry/contract.js';
import { type HealthState, isListed } from './health.js';
import { describeOrder, type Orders } from './operator/orders.js';

/** How far a drain has got: callers are to look elsewhere, or the entry is to go. */
export type DrainStage = 'none' | 'marked' | 'withdrawn';

export interface Facts {
  /** As configured. */
  readonly instance: Instance;
  readonly health: HealthState;
  readonly orders: Orders;
  readonly drain: DrainStage;
  /** The share of its weight that an instance keeps while a probe warns, 0 to 1. */
  readonly warningWeight: number;
}

/** The instance as it shall be in the registries; undefined for not at all. */
export function desiredInstance({
  instance,
  health,
  orders,
  drain,
  warningWeight,
}: Facts): Instance | undefined {
  const { maintenance, forced } = orders;
  if (drain === 'withdrawn') return undefined;
  const weight = orders.weight ?? instance.weight;
  if (maintenance !== undefined) {
    return { ...instance, weight, status: 'maintenance', note: describeOrder(maintenance) };
  }
  const isUp = forced === undefined ? isListed(health) : forced.to === 'up';
  if (!isUp) return undefined;
  if (drain === 'marked') return { ...instance, weight, status: 'draining', note: undefined };
  if (health !== 'warning') return { ...instance, weight, status: 'passing' };
  return { ...instance, weight: share(weight, warningWeight), status: 'warning' };
}

/** To three decimals, which is what an operator wants to read, and more than 0 unless it was 0. */
function share(weight: number, factor: number): number {
  const exact = weight * factor;
  return exact === 0 ? 0 : Math.max(0.001, Math.round(exact * 1000) / 1000);
}
