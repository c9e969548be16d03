/** Tells when an id that another process has taken is free again: the better moment than any backoff. */
import type { Registry } from '../registry/contract.js';

/** True as soon as no instance of the id is listed; false when that cannot be told any longer. Never rejects. */
export async function untilVacant(
  registry: Registry,
  service: string,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for await (const { instances } of registry.watch(service, { signal })) {
      if (!instances.some((instance) => instance.id === id)) return !signal.aborted;
    }
  } catch {
    // The watch broke; whoever waits has a backoff as well.
  }
  return false;
}
