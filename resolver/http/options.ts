/** The options of a dispatcher, with their defaults. */
import type { Dispatcher, Pool } from 'undici';
import type { PickRequest, Policy } from '../policy.js';
import type { DispatchRetryOptions } from './retry.js';
import type { ServiceNames } from './service-names.js';

/** What both the dispatcher and the agents of node:http take. */
export interface RoutingOptions {
  /** Which hosts name a service. Default: those without a dot, except `localhost`. */
  readonly services?: ServiceNames;
  /** Default: the policy given to `connect`. */
  readonly policy?: Policy;
  /** How long a request waits for the first list of its service, in milliseconds. Default 10000. */
  readonly readyTimeoutMs?: number;
  /** Which answers count as failures of the endpoint. Default: 429, and 500 to 599 without 501. */
  readonly isFailure?: (status: number) => boolean;
  /** A response that nobody has read from for so long counts as in flight no more, in milliseconds. Default 30000. */
  readonly stalledAfterMs?: number;
}

export interface DispatcherOptions extends RoutingOptions {
  /** What a policy may choose by, such as a key for `consistentHash`. Synchronous, called for every request. */
  readonly pickRequest?: (request: Dispatcher.DispatchOptions) => PickRequest | undefined;
  /**
   * What happens to requests that fail before their response has begun: sent again, to another endpoint, where that is safe.
   * Default: twice at most, within the budget of the service. `false`: never.
   */
  readonly retry?: DispatchRetryOptions | false;
  /**
   * Options of the undici pool of each endpoint: connections, timeouts, TLS (`connect: { ca }`). Default: undici's, with a
   * connect timeout of 2 s.
   */
  readonly pool?: Pool.Options;
  /** Where requests to other hosts go; it stays the caller's to close. Default: an undici Agent with the options of `pool`. */
  readonly others?: Dispatcher;
  /** How long `Discovery.close` waits for requests in flight before it ends them, in milliseconds. Default 10000. */
  readonly closeTimeoutMs?: number;
}

export const READY_TIMEOUT_MS = 10_000;
export const STALLED_AFTER_MS = 30_000;
export const CLOSE_TIMEOUT_MS = 10_000;
