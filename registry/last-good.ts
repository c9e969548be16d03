/**
 * An entry that turned into nonsense has not left: somebody's mistake must not take a live endpoint out of service. What it
 * said last stands until it makes sense again or is gone; then its own registrar has repaired or removed it.
 */
import type { Instance, Snapshot } from './contract.js';
import { firstNotBefore, patchedSnapshot } from './snapshot.js';

/** `after`, and of `before` the instances whose entries are there still and are rejected now. */
export function withLastGood(before: Snapshot | undefined, after: Snapshot): Snapshot {
  const kept = new Map<string, Instance>();
  for (const { id } of after.rejected) {
    const known = id === undefined ? undefined : instanceIn(before, id);
    if (known !== undefined && instanceIn(after, known.id) === undefined) kept.set(known.id, known);
  }
  return kept.size === 0 ? after : patchedSnapshot(after, kept, after.revision, after.rejected);
}

/** The instance of that id in a list. */
export function instanceIn(list: Snapshot | undefined, id: string): Instance | undefined {
  const found = list?.instances[firstNotBefore(list.instances, id)];
  return found?.id === id ? found : undefined;
}
