/** Only instances with certain tags, a version, or metadata: a canary, a shard, a protocol. */
import type { Policy } from '../policy.js';
import { type Match, matches } from './match.js';
import { narrowed } from './narrowed.js';

export interface FilterOptions extends Match {
  /**
   * What to do when nothing matches: `none`, the default, picks nothing, because another version is rarely better than
   * an error; `all` ignores the filter.
   */
  readonly otherwise?: 'none' | 'all';
}

/** `policy` among the instances that match. */
export function filtered({ otherwise = 'none', ...match }: FilterOptions, policy: Policy): Policy {
  return narrowed(
    (candidates) => {
      const matching = candidates.filter((instance) => matches(instance, match));
      return matching.length === 0 && otherwise === 'all' ? candidates : matching;
    },
    policy,
    'filtered',
  );
}
