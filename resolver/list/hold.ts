/**
 * Which instances stay in use although the registry lists them no more. Registries lose entries: a wiped server, a
 * partition between the sidecars and the registry, a deleted parent. Such a loss takes most of a list at once, while a
 * fleet that is changed on purpose leaves one by one, is marked before it leaves, or is replaced. Eureka calls the idea
 * self-preservation. Pure: `held-list.ts` watches, connects and waits.
 */
import type { Instance } from '../../registry/contract.js';
import { firstNotBefore } from '../../registry/snapshot.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { isWilling } from '../policies/weights.js';

export interface HoldRule {
  /** For how long what has vanished stays in use while it answers. */
  readonly holdMs: number;
  /** Losing more than this share of the list at once is no ordinary change, 0 to 1. */
  readonly share: number;
}

export type HoldReason = 'empty' | 'mass removal';

/** An instance that the registry lists no more and that is used all the same. */
export interface Held {
  readonly instance: Instance;
  readonly reason: HoldReason;
  /** When the hold ends at the latest, on the monotonic clock. */
  readonly untilMs: number;
}

/** An instance that left without a word and was let go. */
interface Departed {
  readonly instance: Instance;
  readonly atMs: number;
}

/** By id. */
export interface HoldState {
  readonly held: ReadonlyMap<string, Held>;
  readonly departed: ReadonlyMap<string, Departed>;
}

/** What the registry said before and says now. */
export interface Step {
  readonly before: readonly Instance[];
  readonly after: readonly Instance[];
  /** Those of before whose id is not in after. */
  readonly removed: readonly Instance[];
  readonly nowMs: number;
  /** The registry was away a moment ago, or its data went back: its word alone is worth less. */
  readonly inTrouble: boolean;
}

export const NOTHING_HELD: HoldState = { held: new Map(), departed: new Map() };

/**
 * Removals within it count as one: sessions that are cut off together end within a third of their timeout and a tick of
 * each other.
 */
export const AT_ONCE_MS = 10_000;

/**
 * The state after a new list. Who is listed again, under its id or at its address, is held no more. Who has vanished is
 * held when it is part of a loss, else let go. Who said before that it leaves (draining, maintenance, weight 0) is never held. O(n).
 */
export function afterList(state: HoldState, step: Step, rule: HoldRule): HoldState {
  const { after, removed, nowMs } = step;
  if (removed.length + state.held.size + state.departed.size === 0) return state;
  const missed = [...state.held.values(), ...state.departed.values()].map(({ instance }) => instance);
  const isListed = listedAmong(after, [...removed, ...missed]);
  const held = kept(state.held, (each) => !isListed(each.instance) && each.untilMs > nowMs);
  const departed = kept(state.departed, (each) => !isListed(each.instance) && nowMs - each.atMs < AT_ONCE_MS);
  const gone = removed.filter((instance) => isWilling(instance) && !isListed(instance));
  const reason = lossOf(gone.length, held.size + departed.size, step, rule.share);
  for (const instance of gone) {
    if (reason !== undefined) held.set(instance.id, { instance, reason, untilMs: nowMs + rule.holdMs });
    else departed.set(instance.id, { instance, atMs: nowMs });
  }
  return { held, departed };
}

/**
 * More than the share is missing, and of a registry that is well: more than one, and the list has shrunk by as much. One
 * that leaves alone was taken out by its sidecar, and a list that is as long as before was replaced on purpose.
 *
 * @param earlier How many went a moment ago, or are held.
 * @returns Undefined where that is no loss; to know that much, few of the list are counted.
 */
function lossOf(
  gone: number,
  earlier: number,
  { before, after, inTrouble }: Step,
  share: number,
): HoldReason | undefined {
  const missing = gone + earlier;
  // With one more than would do, so that no rounding decides.
  const base = earlier + willingAmong(before, missing / share - earlier + 1);
  if (missing <= share * base) return undefined;
  const left = willingAmong(after);
  if (!inTrouble && (missing <= 1 || left >= (1 - share) * base)) return undefined;
  return left === 0 ? 'empty' : 'mass removal';
}

/** @param enough Counts no further. */
function willingAmong(instances: readonly Instance[], enough = Number.POSITIVE_INFINITY): number {
  let count = 0;
  for (const instance of instances) {
    if (count >= enough) break;
    if (isWilling(instance)) count++;
  }
  return count;
}

/** The state without those whose hold has ended by now. */
export function afterTime(state: HoldState, nowMs: number): HoldState {
  return { ...state, held: kept(state.held, ({ untilMs }) => untilMs > nowMs) };
}

/** The state without those of the failed ones that are still held. */
export function afterFailures(state: HoldState, failed: ReadonlySet<Held>): HoldState {
  return { ...state, held: kept(state.held, (each) => !failed.has(each)) };
}

/** When the first hold ends; undefined when nothing is held. */
export function nextEndMs({ held }: HoldState): number | undefined {
  let first: number | undefined;
  for (const { untilMs } of held.values()) if (first === undefined || untilMs < first) first = untilMs;
  return first;
}

/** Whether one of `missed` is in the list. A new id at a known address is the same process, registered anew. */
function listedAmong(
  list: readonly Instance[],
  missed: readonly Instance[],
): (instance: Instance) => boolean {
  const addresses = new Set<string>();
  const hosts = new Set(missed.map(({ endpoint }) => endpoint.host));
  for (const { endpoint } of list) if (hosts.has(endpoint.host)) addresses.add(formatHostPort(endpoint));
  return ({ id, endpoint }) =>
    list[firstNotBefore(list, id)]?.id === id || addresses.has(formatHostPort(endpoint));
}

function kept<V>(map: ReadonlyMap<string, V>, keeps: (value: V) => boolean): Map<string, V> {
  return new Map([...map].filter(([, value]) => keeps(value)));
}
