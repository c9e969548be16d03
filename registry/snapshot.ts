/** Building snapshots and comparing two of them: the one place where a difference is computed. */
import type { Instance, Rejection, Snapshot } from './contract.js';
import { sameInstance } from './instance.js';

/** What changed from one snapshot to the next. All empty when the lists are equal. */
export interface Change {
  readonly added: readonly Instance[];
  readonly removed: readonly Instance[];
  /** Same id with other data. */
  readonly updated: readonly { readonly before: Instance; readonly after: Instance }[];
}

/** Sorts, freezes and removes duplicates: of several instances with one id the last given wins. */
export function snapshotOf(
  service: string,
  instances: Iterable<Instance>,
  revision: number,
  rejected: readonly Rejection[] = [],
): Snapshot {
  const byId = new Map<string, Instance>();
  for (const instance of instances) byId.set(instance.id, instance);
  const sorted = [...byId.values()].sort(byIdOrder);
  return Object.freeze({ service, instances: Object.freeze(sorted), revision, rejected });
}

/** The difference between two lists; `before` undefined means that there was none. Linear in their length. */
export function diff(before: Snapshot | undefined, after: Snapshot): Change {
  const added: Instance[] = [];
  const updated: { before: Instance; after: Instance }[] = [];
  const gone = new Map((before?.instances ?? []).map((instance) => [instance.id, instance]));
  for (const instance of after.instances) {
    const known = gone.get(instance.id);
    gone.delete(instance.id);
    if (known === undefined) added.push(instance);
    else if (!sameInstance(known, instance)) updated.push({ before: known, after: instance });
  }
  return { added, removed: [...gone.values()], updated };
}

export function isEmptyChange({ added, removed, updated }: Change): boolean {
  return added.length + removed.length + updated.length === 0;
}

function byIdOrder(a: Instance, b: Instance): number {
  return a.id < b.id ? -1 : 1;
}
