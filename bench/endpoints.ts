/** The endpoints that `pick` and `updates` choose among: as many as wanted, each at a host of its own. */
import type { Instance } from '../registry/contract.js';
import { parseInstance } from '../registry/instance.js';

export const SERVICE = 'bench';

/** Weights by index. */
export const equal = (): number => 1;
/** A hundred different ones, from 1 to 100. */
export const varied = (index: number): number => 1 + ((index * 37) % 100);
export const different = (index: number): number => 1 + index;

/** An address for each index below 2^24. */
export function hostOf(index: number): string {
  return `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}

/** Sorted by index as by id. */
export function instanceAt(index: number, weight = 1): Instance {
  const id = `i${`${index}`.padStart(8, '0')}`;
  const parsed = parseInstance({
    service: SERVICE,
    id,
    host: hostOf(index),
    port: 1 + (index % 65_535),
    weight,
  });
  if (!parsed.ok) throw new Error(`instance ${index} is not valid`);
  return parsed.value;
}

export function instances(count: number, weightOf: (index: number) => number = equal): Instance[] {
  return Array.from({ length: count }, (_, index) => instanceAt(index, weightOf(index)));
}
