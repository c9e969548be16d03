/**
 * Chance as an argument. One fast integer generator (Marsaglia, "Xorshift RNGs", 2003) serves the policies, where a
 * pick may not allocate, and the jitter of every timer. Not for secrets or ids: those use `node:crypto`.
 */
import { randomInt } from 'node:crypto';

export interface Random {
  /** A uniform 32-bit unsigned integer. */
  next(): number;
}

const TWO_TO_32 = 2 ** 32;

class Xorshift32 implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e3779b9 | 0;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
}

/** The same numbers for the same seed. */
export function seededRandom(seed: number): Random {
  return new Xorshift32(seed);
}

/** A generator seeded from the operating system's entropy. */
export function systemRandom(): Random {
  return new Xorshift32(randomInt(1, TWO_TO_32));
}

/** Uniform in [0, 1). */
export function fraction(random: Random): number {
  return random.next() / TWO_TO_32;
}

/** A uniform integer in [0, n), for n up to 2^21. */
export function below(random: Random, n: number): number {
  return ((random.next() * n) / TWO_TO_32) >>> 0;
}

/** `ms` spread evenly over ± `share` of itself, so that many processes do not act in step. */
export function jittered(ms: number, share: number, random: Random): number {
  return ms * (1 + share * (2 * fraction(random) - 1));
}

/** A new array in uniform random order (Fisher and Yates, down to the second element). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last >= 1; last--) {
    const other = below(random, last + 1);
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
