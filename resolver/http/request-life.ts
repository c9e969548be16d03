/**
 * One request from its pick to its end, whichever way it ends: counts it as in flight at its endpoint, and tells the
 * policy once what became of it.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../runtime/clock.js';
import type { FailureKind, Outcome, OutcomeDetails, Pick } from '../policy.js';
import { failureOf, isFailureStatus, isOwnFault, isTimeout, mayAskForRest, retryAfterMs } from './failure.js';
import { type RoutingOptions, STALLED_AFTER_MS } from './options.js';
import { StalledBodies } from './stalled-bodies.js';

/** Where the request is in flight. */
export interface Lane {
  /** True for the error of a connection that was never made. */
  isConnectFailure(error: unknown): boolean;
  /** The connection is no HTTP any more; it ends with the lane. */
  upgraded?(socket: Duplex): void;
  leave(): void;
}

/** What all requests of a dispatcher share. */
export interface LifeContext {
  readonly clock: Clock;
  readonly isFailure: (status: number) => boolean;
  readonly stalled: StalledBodies;
}

/** What all requests of one way of sending share, with the defaults filled in. */
export function lifeContext(
  clock: Clock,
  { isFailure = isFailureStatus, stalledAfterMs = STALLED_AFTER_MS }: RoutingOptions,
): LifeContext {
  return { clock, isFailure, stalled: new StalledBodies(clock, stalledAfterMs) };
}

export class RequestLife {
  readonly #pick: Pick;
  readonly #lane: Lane;
  readonly #context: LifeContext;
  /** Now, while it is handed over. */
  #handedMs: number | undefined;
  #sentMs: number | undefined;
  #latencyMs: number | undefined;
  #status = 0;
  #retryAfterMs: number | undefined;
  #settled = false;

  /**
   * The request has entered its lane.
   *
   * @param nowMs Spares a look at the clock where the request goes out at once; then `handedOver` is to be called.
   */
  constructor(pick: Pick, lane: Lane, context: LifeContext, nowMs?: number) {
    this.#pick = pick;
    this.#lane = lane;
    this.#context = context;
    this.#handedMs = nowMs;
  }

  /** From now on time passes. */
  handedOver(): void {
    this.#handedMs = undefined;
  }

  get stalled(): StalledBodies {
    return this.#context.stalled;
  }

  /** It goes out on a connection; again when a broken connection is replaced by another. */
  sent(): void {
    this.#sentMs = this.#handedMs ?? this.#context.clock.now();
  }

  /**
   * The head of the final response. @param header Reads one of its fields, by its name in lower case.
   *
   * @returns `status` where the answer is a failure of the endpoint.
   */
  answered(status: number, header: (name: string) => string | undefined): 'status' | undefined {
    const { clock, isFailure } = this.#context;
    this.#status = status;
    if (this.#sentMs !== undefined) this.#latencyMs = clock.now() - this.#sentMs;
    const rest = mayAskForRest(status) ? header('retry-after') : undefined;
    if (rest !== undefined) this.#retryAfterMs = retryAfterMs(rest, clock.wallNow());
    if (isFailure(status)) return 'status';
    this.#pick.answered?.(this.#latencyMs);
    return undefined;
  }

  /** From now on the socket speaks another protocol, and is in flight for as long as it is open. */
  upgraded(socket: Duplex): void {
    this.#lane.upgraded?.(socket);
    if (socket.destroyed) this.ended();
    else socket.once('close', () => this.ended());
  }

  /** The response is complete, or nobody reads it any more: what counts is its status. */
  ended(): void {
    if (this.#context.isFailure(this.#status)) this.#settle('error', 'status');
    else this.#settle('ok');
  }

  /** @returns What the endpoint did; undefined where it did nothing wrong. */
  failed(error: unknown): FailureKind | undefined {
    const failure = this.#failureOf(error);
    if (failure === 'connect') this.#settle('error', 'connect');
    else this.#broke(failure);
    return failure;
  }

  /**
   * The caller gave it up: neutral, unless what it gave up waiting for is the endpoint. @param isPaused True when it was the
   * caller who did not read.
   */
  aborted(reason: unknown, isPaused: boolean): void {
    this.#broke(isTimeout(reason) && !isPaused && this.#sentMs !== undefined ? 'timeout' : undefined);
  }

  #failureOf(error: unknown): FailureKind | undefined {
    if (isOwnFault(error)) return undefined;
    if (this.#lane.isConnectFailure(error)) return 'connect';
    return this.#sentMs === undefined ? undefined : failureOf(error);
  }

  /** A bad status is the first thing that went wrong, whatever happened to the rest of the response. */
  #broke(failure: FailureKind | undefined): void {
    if (this.#status !== 0 && this.#context.isFailure(this.#status)) this.#settle('error', 'status');
    else if (failure !== undefined) this.#settle('error', failure);
    else this.#settle('cancelled');
  }

  #settle(outcome: Outcome, failure?: FailureKind): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#lane.leave();
    const details: { -readonly [K in keyof OutcomeDetails]: OutcomeDetails[K] } = {};
    if (this.#latencyMs !== undefined) details.latencyMs = this.#latencyMs;
    if (failure !== undefined) details.failure = failure;
    if (this.#retryAfterMs !== undefined) details.retryAfterMs = this.#retryAfterMs;
    this.#pick.done(outcome, details);
  }
}
