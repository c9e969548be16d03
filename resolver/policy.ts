/**
 * The contract of a load-balancing policy. A policy is an algorithm without state; its picker is the momentary form of
 * it for one list. Membership never mutates a picker: at every list change the policy builds the next one, which takes
 * over from the previous one what it knows of the endpoints that stayed.
 */
import type { Endpoint, Instance } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import type { Random } from '../runtime/random.js';

/** What became of a request. `cancelled` means that the caller gave it up; it says nothing about the endpoint. */
export type Outcome = 'ok' | 'error' | 'cancelled';

/**
 * What failed. `connect`: nobody accepted the connection, so the request was never sent. `timeout`: no answer in time.
 * `reset`: the connection broke after it was sent. `status`: an answer that says the server is in trouble.
 */
export type FailureKind = 'connect' | 'timeout' | 'reset' | 'status';

export interface OutcomeDetails {
  /** From sending the request to the first byte of the response, in milliseconds. */
  readonly latencyMs?: number;
  /** With the outcome `error`. */
  readonly failure?: FailureKind;
  /** The status of the answer, where there was one: of HTTP, or of whatever protocol it is. */
  readonly status?: number;
  /** For how long the endpoint asked to be left alone (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number;
}

/** One choice. */
export interface Pick {
  readonly instance: Instance;
  readonly endpoint: Endpoint;
  /**
   * Tells the policy that the endpoint has begun to answer well, where the answer may take long, such as a stream or a
   * WebSocket: that alone shows that it works. May be called before `done`, with the latency to then in milliseconds.
   */
  answered?(latencyMs?: number): void;
  /**
   * Tells the policy how the request ended. To be called once; further calls are ignored. The simple policies learn
   * nothing from it, those that count requests in flight depend on it.
   */
  done(outcome: Outcome, details?: OutcomeDetails): void;
}

/** Facts about one request that a policy may choose by; a policy of your own may read others. */
export interface PickRequest {
  /** What the request is about, such as a session or a user: `consistentHash` and `sticky` keep a key together. */
  readonly key?: string | number | bigint | undefined;
  readonly [fact: string]: unknown;
}

/** A picker in words, for people: plain JSON. */
export interface PickerDescription {
  /** Such as `least-loaded`. */
  readonly policy: string;
  /** How it chooses. */
  readonly rule: string;
  /** Those it chooses among, by id, each with what the choice depends on now. */
  readonly members: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A policy applied to one list. */
export interface Picker {
  /**
   * Chooses an endpoint: synchronous, without I/O, on the path of every request. Undefined when the policy will not
   * use any of its candidates now.
   *
   * A picker that learns nothing from `done` hands out one prepared pick per endpoint and so allocates nothing; one
   * that tracks each request returns a new object for it.
   */
  pick(request?: PickRequest): Pick | undefined;
  /** For `ServiceHandle.explain`; changes nothing. A picker without it is explained by its pick alone. */
  describe?(): PickerDescription;
}

/** Time and chance, for policies that need them. */
export interface PolicyContext {
  readonly clock: Clock;
  readonly random: Random;
}

export interface Policy {
  /**
   * Called once for the first list and again whenever the list changed; never with an empty one.
   *
   * @param candidates The endpoints that may be chosen, sorted by id, each id once. One of weight 0 is among them only
   *   where nothing better is left; the built-in policies take it for 1. The array is frozen or never changed again.
   * @param previous What this policy built for the same service before. Its state belongs to endpoints by identity,
   *   see `sameEndpoint`; the new picker may take parts of it over, because the previous one picks no more.
   */
  build(candidates: readonly Instance[], previous: Picker | undefined, context: PolicyContext): Picker;
  /** For `ServiceHandle.explain`, of a filter: who of the candidates is left out, by id, and the name of what does it. */
  leftOut?(candidates: readonly Instance[]): Readonly<Record<string, string>>;
}

/** The identity of an endpoint: the same id at the same host and port. Whatever else changed, it is the same one. */
export function sameEndpoint(a: Instance, b: Instance): boolean {
  return a.id === b.id && a.endpoint.host === b.endpoint.host && a.endpoint.port === b.endpoint.port;
}
