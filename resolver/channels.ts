/**
 * What the resolver tells through `node:diagnostics_channel`: logs, traces and tests attach from outside, and it costs
 * nothing while nobody does. Messages are plain objects that nobody may change.
 */
import { channel } from 'node:diagnostics_channel';
import type { Instance, Snapshot } from '../registry/contract.js';
import type { EjectionReason } from './ejection/endpoint-health.js';
import type { ListChange } from './merged.js';
import type { Pick, Picker } from './policy.js';

/** `pilotfish:pick`: a pick found an endpoint. For lists that came after somebody subscribed. */
export interface PickMessage {
  readonly service: string;
  readonly instance: Instance;
}

/** `pilotfish:list`: the list of a service changed, and picks use it already. */
export interface ListMessage {
  readonly service: string;
  readonly snapshot: Snapshot;
  readonly added: number;
  readonly removed: number;
  readonly updated: number;
}

/** `pilotfish:ejection`: an endpoint is ejected, or it is back. */
export interface EjectionMessage {
  readonly service: string;
  readonly instance: Instance;
  readonly event: 'ejected' | 'returned';
  /** Why it is ejected, or was. */
  readonly reason: EjectionReason;
  /** For how long it is ejected, until one request is let through, in milliseconds; 0 when it is back. */
  readonly forMs: number;
}

/** `pilotfish:panic`: so few endpoints are left that ejections are ignored, or that is over. */
export interface PanicMessage {
  readonly service: string;
  readonly event: 'begins' | 'ends';
  readonly endpoints: number;
  readonly outliers: number;
}

const pickChannel = channel('pilotfish:pick');
const listChannel = channel('pilotfish:list');
export const ejectionChannel = channel('pilotfish:ejection');
export const panicChannel = channel('pilotfish:panic');

export function tellPick(pick: Pick | undefined): void {
  if (pick === undefined || !pickChannel.hasSubscribers) return;
  const { instance } = pick;
  pickChannel.publish({ service: instance.service, instance } satisfies PickMessage);
}

/** The picker itself while nobody listens: even to ask whether somebody does would cost as much as half a pick. */
export function toldPicker(picker: Picker): Picker {
  if (!pickChannel.hasSubscribers) return picker;
  return {
    pick: (request) => {
      const pick = picker.pick(request);
      tellPick(pick);
      return pick;
    },
  };
}

export function tellList(service: string, { snapshot, added, removed, updated }: ListChange): void {
  if (!listChannel.hasSubscribers) return;
  const counts = { added: added.length, removed: removed.length, updated: updated.length };
  listChannel.publish({ service, snapshot, ...counts } satisfies ListMessage);
}
