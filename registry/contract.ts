/**
 * The contract between pilotfish and any registry: what a backend promises to the sidecar and to the resolver, and
 * nothing about how. Snapshots are whole lists and the latest wins, so a consumer never merges across a gap;
 * registrations are handles, so nothing can go on registering behind a closed one.
 */
import type { Event } from '../runtime/events.js';
import type { HostPort } from '../runtime/host-port.js';

/** Where an instance is reached. `host` is an IP literal without brackets, or a host name. */
export type Endpoint = HostPort;

/**
 * What is to be known of a listed instance. A failing one is not listed at all.
 *
 * - `passing`, `warning`: what its health checks say.
 * - `draining`: it finishes what it has and is about to go: no new traffic while another is left.
 * - `maintenance`: somebody took it out of service on purpose: no traffic at all.
 */
export const INSTANCE_STATUSES = ['passing', 'warning', 'draining', 'maintenance'] as const;
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

/** One running process of a service. Validated and frozen; see `instance.ts` for the limits of each field. */
export interface Instance {
  readonly service: string;
  /** Unique within the service, and stable: the same process keeps it across restarts. */
  readonly id: string;
  readonly endpoint: Endpoint;
  /** Share of the traffic relative to the others, 0 to 65535; 0 means registered but no new traffic. */
  readonly weight: number;
  readonly status: InstanceStatus;
  /** Why it drains or is in maintenance, for people; undefined for an ordinary instance. */
  readonly note: string | undefined;
  readonly zone: string | undefined;
  readonly version: string | undefined;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** An entry of the registry that is no valid instance. It never spoils the list; see `last-good.ts` for one that was valid. */
export interface Rejection {
  /** The name of the entry in the registry, as found. */
  readonly entry: string;
  /** What is wrong with it: *expected X, got Y, at path*. */
  readonly reason: string;
  /** The id of the instance that the entry holds while it makes sense; undefined where that cannot be told. */
  readonly id?: string | undefined;
}

/** The complete list of a service at one moment. Immutable. */
export interface Snapshot {
  readonly service: string;
  /** Sorted by id; each id once. Empty when the service has no instance or does not exist. */
  readonly instances: readonly Instance[];
  /**
   * Grows with every change the backend can tell apart (zxid, index, revision). A backend never yields a lower one
   * from the same epoch of its data.
   */
  readonly revision: number;
  readonly rejected: readonly Rejection[];
}

/**
 * How the connection to the registry stands.
 *
 * - `connecting`: never connected yet.
 * - `connected`: answers.
 * - `suspended`: was connected and is not now; registrations live on in the registry until their TTL ends.
 * - `expired`: the registry gave the session up and with it every registration; a new session is being made.
 * - `denied`: the registry refuses our credentials.
 * - `closed`: `close()` was called.
 */
export type RegistryState = 'connecting' | 'connected' | 'suspended' | 'expired' | 'denied' | 'closed';

export interface OperationOptions {
  /** Ends the operation early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The read side. Every registry has it. */
export interface RegistryReader {
  /** The scheme that chose the backend, such as `zookeeper`. */
  readonly kind: string;
  /** The URL it was opened with, free of secrets: for people, logs and labels. */
  readonly url: string;
  readonly state: RegistryState;
  /** Fires with the new state after each change. */
  readonly onState: Event<RegistryState>;
  /**
   * Why it is not connected, as last heard of, for people; set before `onState` fires. Undefined while it is connected, and
   * in a backend that cannot say.
   */
  readonly trouble?: string | undefined;
  /**
   * Yields the current list at once, then each newer one, latest wins: a slow consumer skips. A service that does
   * not exist is an empty list. Equal lists may be yielded again; each is a confirmation.
   *
   * Throws when the list can no longer be kept current (connection lost, watch gone, denied). It does not heal
   * itself: the consumer subscribes again, which reads everything anew. `supervise` does that for every backend.
   * Ends without error when the signal aborts or the consumer leaves the loop, and leaves nothing running.
   */
  watch(service: string, options?: OperationOptions): AsyncIterable<Snapshot>;
  /** The names of all services, sorted. Names that are no valid service name are left out. */
  services(options?: OperationOptions): Promise<readonly string[]>;
  /** Resolves when the registry answers; rejects UNAVAILABLE or DENIED when it does not. */
  ping(options?: OperationOptions): Promise<void>;
  /** Ends everything this object started, registrations included. Idempotent. */
  close(): Promise<void>;
}

/** A registry that can be written as well. */
export interface Registry extends RegistryReader {
  /**
   * How long an entry outlives its owner, in milliseconds: session timeout, lease or TTL, as agreed with the server.
   * Undefined until that is known, and for a backend that has none.
   */
  readonly ttlMs?: number | undefined;
  /**
   * Lists the instance, and resolves when the registry has confirmed it. An entry with the same id is taken over in
   * place: a reader never sees the id missing meanwhile.
   *
   * Rejects UNAVAILABLE, DENIED, TIMEOUT or CONFLICT; whatever an unfinished call may have left in the registry is
   * removed soon after the registry answers again, unless it is registered again by then; at once where `signal` ended
   * the call.
   */
  register(instance: Instance, options?: OperationOptions): Promise<Registration>;
  /**
   * What a `register` of the instance that did not succeed may have left, or a `close` where others keep it alive:
   * undefined when nothing, else resolves when that is known to be gone, or the registry is closed. Never rejects. Not
   * there where neither leaves anything.
   */
  leftovers?(instance: Instance): Promise<void> | undefined;
}

/** Why a registration is gone although nobody closed it. */
export type LostReason =
  /** Session, lease or TTL ended. */
  | 'expired'
  /** The entry was deleted by somebody else. */
  | 'deleted'
  /** Another owner registered the same id. */
  | 'taken';

/** What a read-back found. */
export type Confirmation =
  /** The entry is there, ours, and equal to `instance`. */
  | 'present'
  /** The entry is ours but holds other data; `update` repairs it. */
  | 'changed'
  /** The entry is not there or not ours; `lost` resolves too. */
  | 'absent';

/** A live, owned entry. It owns the heartbeats and watches that keep it alive. */
export interface Registration {
  /** As last confirmed by the registry. */
  readonly instance: Instance;
  /** Resolves once when the entry is gone without `close()`. Never rejects; stays pending after `close()`. */
  readonly lost: Promise<LostReason>;
  /** Replaces the entry's data in place, without removing it. `instance.id` must be the same. */
  update(instance: Instance, options?: OperationOptions): Promise<void>;
  /** Reads the entry back from the registry. */
  confirm(options?: OperationOptions): Promise<Confirmation>;
  /**
   * Removes the entry, reads back that it is gone, and ends what kept it alive. Rejects when the registry does not
   * answer; the entry then ends with its session, lease or TTL, and nothing here renews it. Idempotent.
   */
  close(options?: OperationOptions): Promise<void>;
}

/** True for a registry that can be written; a `static:` one cannot. */
export function canRegister(registry: RegistryReader | Registry): registry is Registry {
  return 'register' in registry;
}
