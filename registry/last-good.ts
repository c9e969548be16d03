/**
 * An entry that turned into nonsense has not left: somebody's mistake must not take a live endpoint out of service. What it
 * said last stands until it makes sense again or is gone; then its own registrar has repaired or removed it.
 */
import type { Instance, Rejection, Snapshot } from './contract.js';
import { firstNotBefore, patchedSnapshot } from './snapshot.js';

/** A list, and of it those whose entries make no sense any more. */
export interface LastGood {
  readonly snapshot: Snapshot;
  readonly kept: ReadonlyMap<string, Instance>;
}

/** `after`, and of `before` the instances whose entries are there still and are rejected now. */
export function withLastGood(before: Snapshot | undefined, after: Snapshot): LastGood {
  const kept = new Map<string, Instance>();
  const rejected = identified(after.rejected, before?.rejected ?? []);
  for (const { id } of rejected) {
    const known = id === undefined ? undefined : instanceIn(before, id);
    if (known !== undefined && instanceIn(after, known.id) === undefined) kept.set(known.id, known);
  }
  return { snapshot: kept.size === 0 ? after : patchedSnapshot(after, kept, after.revision, rejected), kept };
}

/** Where an entry alone does not tell whose it is, as after a reconnect, it is still that of the one before. */
function identified(after: readonly Rejection[], before: readonly Rejection[]): readonly Rejection[] {
  if (after.every(({ id }) => id !== undefined)) return after;
  const known = new Map(before.map(({ entry, id }) => [entry, id]));
  return after.map((each) => ({ ...each, id: each.id ?? known.get(each.entry) }));
}

function instanceIn(list: Snapshot | undefined, id: string): Instance | undefined {
  const found = list?.instances[firstNotBefore(list.instances, id)];
  return found?.id === id ? found : undefined;
}
