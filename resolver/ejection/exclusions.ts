/**
 * How many outliers may be ejected. Callers that trust their own findings without a limit can leave a service with nobody,
 * and most often then it is the callers, or the network between, that are at fault.
 */
import type { Outlier } from './endpoint-health.js';
import type { EjectionRules } from './rules.js';

export interface Exclusions<E> {
  readonly ejected: ReadonlySet<E>;
  /** So few are left that their findings count for nothing: everybody is used. */
  readonly isPanic: boolean;
}

/** Never more than n - 1, so a single endpoint is never ejected; one of two may be, however small the share. */
export function mostEjected(endpoints: number, { maxEjectedShare }: EjectionRules): number {
  return Math.min(endpoints - 1, Math.max(1, Math.floor(endpoints * maxEjectedShare)));
}

/**
 * Those who were found first go first, so that a newer finding never lets an older one back in.
 *
 * @param endpoints How many there are. @param outliers Those of them that are.
 */
export function exclusions<E extends { readonly outlier: Outlier | undefined }>(
  endpoints: number,
  outliers: readonly E[],
  rules: EjectionRules,
): Exclusions<E> {
  const isPanic = endpoints > 1 && endpoints - outliers.length < endpoints * rules.panicBelow;
  if (isPanic || outliers.length === 0) return { ejected: new Set(), isPanic };
  const most = mostEjected(endpoints, rules);
  if (outliers.length <= most) return { ejected: new Set(outliers), isPanic };
  const inOrder = outliers.toSorted((a, b) => (a.outlier?.sinceMs ?? 0) - (b.outlier?.sinceMs ?? 0));
  return { ejected: new Set(inOrder.slice(0, most)), isPanic };
}
