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
  // The order of equal ids is kept, so the last of them stands before a different one.
  const sorted = [...instances].sort(byIdOrder);
  const unique = sorted.filter(({ id }, at) => id !== sorted[at + 1]?.id);
  return Object.freeze({ service, instances: Object.freeze(unique), revision, rejected });
}

/**
 * The next snapshot of a list in which only some ids changed: `changes` gives each its new instance, or undefined when it
 * is gone. Linear in the list by copying, but only the changes are compared; for few changes in a long list.
 */
export function patchedSnapshot(
  before: Snapshot,
  changes: ReadonlyMap<string, Instance | undefined>,
  revision: number,
  rejected: readonly Rejection[] = [],
): Snapshot {
  const instances: Instance[] = [];
  const ids = [...changes.keys()].sort();
  let copied = 0;
  for (const id of ids) {
    const at = firstNotBefore(before.instances, id, copied);
    for (; copied < at; copied++) instances.push(before.instances[copied] as Instance);
    if (before.instances[copied]?.id === id) copied++;
    const instance = changes.get(id);
    if (instance !== undefined) instances.push(instance);
  }
  for (; copied < before.instances.length; copied++) instances.push(before.instances[copied] as Instance);
  return Object.freeze({ service: before.service, instances: Object.freeze(instances), revision, rejected });
}

/** The first index from `from` on whose id is not below `id`, in a list sorted by id. */
export function firstNotBefore(instances: readonly Instance[], id: string, from = 0): number {
  let low = from;
  let high = instances.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((instances[middle] as Instance).id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The difference between two lists; `before` undefined means that there was none. One walk along both, because they are
 * sorted; instances that are the same object cost one comparison.
 */
export function diff(before: Snapshot | undefined, after: Snapshot): Change {
  const added: Instance[] = [];
  const removed: Instance[] = [];
  const updated: { before: Instance; after: Instance }[] = [];
  const old = before?.instances ?? [];
  let at = 0;
  for (const instance of after.instances) {
    if (old[at] === instance) {
      at++;
      continue;
    }
    for (; at < old.length && (old[at] as Instance).id < instance.id; at++) removed.push(old[at] as Instance);
    const known = old[at];
    if (known?.id !== instance.id) added.push(instance);
    else {
      at++;
      if (!sameInstance(known, instance)) updated.push({ before: known, after: instance });
    }
  }
  removed.push(...old.slice(at));
  return { added, removed, updated };
}

/** Where each of a list stood in the list before, by id. */
export interface Places {
  /** For each of the list its index in the one before; -1 for those that were not in it. */
  readonly former: Int32Array;
  /** The indexes of those that were not in it. */
  readonly joined: readonly number[];
  /** The indexes in the list before of those that are in it no more. */
  readonly gone: readonly number[];
}

interface Identified {
  readonly id: string;
}

/**
 * What was built for a list is so taken over from one list to the next at the price of a comparison. One walk along both,
 * as they are sorted by id; whoever is out of order is found all the same, only later.
 */
export function placesIn(before: readonly Identified[], after: readonly Identified[]): Places {
  const former = new Int32Array(after.length).fill(-1);
  const joined: number[] = [];
  const gone: number[] = [];
  let old = 0;
  for (let at = 0; at < after.length; at++) {
    const each = after[at] as Identified;
    while (old < before.length && isBefore(before[old] as Identified, each)) gone.push(old++);
    if (old < before.length && (before[old] as Identified).id === each.id) former[at] = old++;
    else joined.push(at);
  }
  while (old < before.length) gone.push(old++);
  const places = { former, joined, gone };
  return joined.length === 0 || gone.length === 0 ? places : reunited(before, after, places);
}

function isBefore(one: Identified, other: Identified): boolean {
  return one !== other && one.id < other.id;
}

/** Those that seem to be gone and to have joined, as in lists that are not sorted. */
function reunited(
  before: readonly Identified[],
  after: readonly Identified[],
  { former, joined, gone }: Places,
): Places {
  const missed = new Map(gone.map((old) => [(before[old] as Identified).id, old]));
  const strangers = joined.filter((at) => {
    const { id } = after[at] as Identified;
    former[at] = missed.get(id) ?? -1;
    return !missed.delete(id);
  });
  return { former, joined: strangers, gone: [...missed.values()] };
}

export function isEmptyChange({ added, removed, updated }: Change): boolean {
  return added.length + removed.length + updated.length === 0;
}

function byIdOrder(a: Instance, b: Instance): number {
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
