/** Lists for experiments, and what is counted in them. */
import type { Second } from '../../test/simulator/simulated-cluster.js';
import type { Member } from './contender.js';

/** So many members, with ids in the order of the list. */
export function members(count: number): readonly Member[] {
  return Array.from({ length: count }, (_, n) => ({ id: idOf(n) }));
}

export function idOf(n: number): string {
  return `i${`${n}`.padStart(2, '0')}`;
}

/** All picks of each of these endpoints. */
export function picksOf(ids: readonly string[], seconds: readonly Second[]): readonly number[] {
  return ids.map((id) => seconds.reduce((sum, second) => sum + (second[id] ?? 0), 0));
}

export function idsOf(list: readonly Member[]): readonly string[] {
  return list.map(({ id }) => id);
}

/** The greatest, as a multiple of what each would have if all had the same. */
export function busiest(picks: readonly number[]): number {
  const total = picks.reduce((sum, count) => sum + count, 0);
  return (Math.max(...picks) * picks.length) / total;
}
