/**
 * The place of one instance among the entries of its service: the slot puts its entry there, or sees to it that there is
 * none, and the rest of the backend need not know how a format names its nodes.
 */
import type { Instance, LostReason } from '../contract.js';
import type { Format, WrittenEntry } from '../formats/format.js';
import type { Claims } from './claims.js';
import type { ZkSession } from './driver.js';

/** The node that holds an instance, with the data as it was written. */
export interface Held {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface Slot {
  /** The node that holds the instance as far as is known; undefined where there is to be none. */
  readonly held: Held | undefined;
  /** Whether somebody else in this process has claimed the place of that node since. */
  readonly isTaken: boolean;
  /**
   * Makes this the entry of the instance, a node of this session, in place of whatever entry an older session left of it.
   * Readers are never without one meanwhile. What fails may be repeated, with this entry or another.
   */
  put(entry: WrittenEntry, instance: Instance): Promise<void>;
  /** Sees to it that the instance has no entry, not even one that an older session left. */
  hide(entry: WrittenEntry, instance: Instance): Promise<void>;
  /**
   * Removes what this session has of the instance, and reads back that it is gone. What somebody else in this process has
   * claimed since is theirs, and stays.
   */
  clear(): Promise<void>;
  /** Why the node that was put is no longer there. */
  lostReason(): Promise<LostReason>;
}

/** Where slots are. */
export interface Place {
  readonly session: ZkSession;
  /** The node whose children are the entries. */
  readonly folder: string;
  readonly service: string;
  readonly format: Format;
  /** Of all that share the session. */
  readonly claims: Claims;
}
