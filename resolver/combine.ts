/**
 * How the lists of several registries become one. Pure: `merged.ts` watches, and asks here whenever a list came, broke or
 * grew old.
 */
import type { Instance, InstanceStatus, Snapshot } from '../registry/contract.js';
import { snapshotOf } from '../registry/snapshot.js';
import { formatHostPort } from '../runtime/host-port.js';

/**
 * What several registries are together.
 *
 * - `merge`: the instances of all of them.
 * - `prefer`: the list of one of them, the first that answers and lists anything.
 */
export const COMBINATIONS = ['merge', 'prefer'] as const;
export type Combination = (typeof COMBINATIONS)[number];

/** The last list of one registry. */
export interface KnownList {
  readonly snapshot: Snapshot;
  /** Milliseconds since the registry last confirmed it; undefined while it is current. */
  readonly brokenMs: number | undefined;
}

/** The lists in use, at least one, and what they are together. */
export interface Combined {
  readonly used: readonly KnownList[];
  readonly snapshot: Snapshot;
}

/** For how long a preferred registry may be silent before the next one is asked: a restart is no reason to move. */
export const PREFERRED_GRACE_MS = 10_000;

/** @param lists In order of precedence, those of registries that have answered; at least one. */
export function combine(how: Combination, service: string, lists: readonly KnownList[]): Combined {
  const used = how === 'prefer' ? [preferred(lists)] : lists;
  const snapshot = merge(service, used);
  const revision = lists.reduce((sum, each) => sum + each.snapshot.revision, 0);
  return {
    used,
    snapshot: snapshot.revision === revision ? snapshot : Object.freeze({ ...snapshot, revision }),
  };
}

/**
 * The first that lists anything and was confirmed within the grace; else the first that lists anything, however old,
 * because an old list is better than none; else the first that is current. So a registry to which a service has not moved
 * yet, or from which it has gone, hides nothing of the next one.
 */
export function preferred(lists: readonly KnownList[]): KnownList {
  const filled = lists.filter(({ snapshot }) => snapshot.instances.length > 0);
  const best =
    filled.find(({ brokenMs }) => (brokenMs ?? 0) < PREFERRED_GRACE_MS) ??
    filled[0] ??
    lists.find(({ brokenMs }) => brokenMs === undefined) ??
    lists[0];
  return best as KnownList;
}

/** In how many milliseconds the grace of one of these lists ends; undefined when none of them is in it. */
export function graceEndsInMs(lists: readonly KnownList[]): number | undefined {
  const left = lists
    .filter(({ brokenMs }) => brokenMs !== undefined)
    .map(({ brokenMs = 0 }) => PREFERRED_GRACE_MS - brokenMs)
    .filter((ms) => ms > 0);
  return left.length === 0 ? undefined : Math.min(...left);
}

/** An instance as the registry named first has it, and the word of them all on its status. */
interface Entry {
  readonly instance: Instance;
  says: Instance;
  current: boolean;
}

/**
 * Every instance once: the same id, or the same address under another id in another registry, is the same instance, with
 * the data of the registry named first. Its status is the strictest that a current list gives, because somebody who took
 * it out of service in one registry meant it everywhere; what a broken list says counts only where no current one has it.
 */
export function merge(service: string, lists: readonly KnownList[]): Snapshot {
  const [only] = lists;
  if (only !== undefined && lists.length === 1) return only.snapshot;
  const byId = new Map<string, Entry>();
  const byAddress = new Map<string, Entry>();
  for (const { snapshot, brokenMs } of lists) {
    const current = brokenMs === undefined;
    const added: Entry[] = [];
    for (const instance of snapshot.instances) {
      const known = byId.get(instance.id) ?? byAddress.get(formatHostPort(instance.endpoint));
      if (known !== undefined) hear(known, instance, current);
      else added.push({ instance, says: instance, current });
    }
    for (const entry of added) {
      byId.set(entry.instance.id, entry);
      byAddress.set(formatHostPort(entry.instance.endpoint), entry);
    }
  }
  const revision = lists.reduce((sum, { snapshot }) => sum + snapshot.revision, 0);
  const rejected = lists.flatMap(({ snapshot }) => snapshot.rejected);
  return snapshotOf(service, [...byId.values()].map(settled), revision, rejected);
}

/** Lower is less strict. Passing and warning are measured, not meant: there the registry named first is right. */
const STRICTNESS: Readonly<Record<InstanceStatus, number>> = {
  passing: 0,
  warning: 0,
  draining: 1,
  maintenance: 2,
};

function hear(entry: Entry, instance: Instance, current: boolean): void {
  if (entry.current && !current) return;
  const isStricter = STRICTNESS[instance.status] > STRICTNESS[entry.says.status];
  if (isStricter || !entry.current) entry.says = instance;
  entry.current = current;
}

function settled({ instance, says }: Entry): Instance {
  const { status, note } = says;
  if (instance.status === status && instance.note === note) return instance;
  return Object.freeze({ ...instance, status, note });
}
