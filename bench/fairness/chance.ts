/**
 * Chance that comes out alike every time. The packages compared here draw from `Math.random`, some of them from the one
 * that was there when they were loaded: it is replaced in this process, before they are.
 */
import { hashText } from '../../resolver/policies/hash.js';
import { fraction, type Random, seededRandom } from '../../runtime/random.js';

/** Numbers for one purpose, the same every time, and unlike those for any other. */
export function randomFor(purpose: string): Random {
  return seededRandom(hashText(purpose, 20260101));
}

let random = randomFor('Math.random');

export function replaceMathRandom(): void {
  Math.random = () => fraction(random);
}

/** Begins the numbers of `Math.random` anew. */
export function restartMathRandom(): void {
  random = randomFor('Math.random');
}
