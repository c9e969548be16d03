/** Waits for what should be so in a moment. A busy machine may take seconds over a moment, and the limit proves nothing. */
import { vi } from 'vitest';

const LIMIT_MS = 30_000;

/** Repeats `check` until it no longer throws; then resolves with what it returns. */
export function soon<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: LIMIT_MS, interval: 10 });
}
