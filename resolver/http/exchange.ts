/**
 * One request of a caller, with all it takes to answer it: a pick, a connection, and where it fails and may be sent again,
 * another endpoint. The caller hears of the last attempt only.
 *
 * There is no wait between attempts: each goes elsewhere, and the budget keeps them from becoming a storm.
 */
import type { Dispatcher } from 'undici';
import type { RetryBudget } from '../call/retry-budget.js';
import type { ServiceCalls } from '../call/service-calls.js';
import type { FailureKind, Pick, PickRequest } from '../policy.js';
import type { ServiceHandle } from '../service-handle.js';
import type { EndpointPools } from './endpoint-pools.js';
import { accounted } from './handlers.js';
import { type LifeContext, RequestLife } from './request-life.js';
import { maySendAgain, type RetryPlan } from './retry.js';

type Handler = Dispatcher.DispatchHandler;
type Request = Dispatcher.DispatchOptions;

/** Where the requests of one origin go, and by what rules. */
export interface Way {
  readonly handle: ServiceHandle;
  readonly calls: ServiceCalls;
  readonly pools: EndpointPools;
  readonly life: LifeContext;
  /** Undefined where nothing is sent again. */
  readonly retry: RetryPlan | undefined;
}

export class Exchange {
  readonly #way: Way;
  readonly #request: Request;
  readonly #handler: Handler;
  /** What the policy chooses by. */
  readonly #facts: PickRequest | undefined;
  /** Where it is now. */
  #pick: Pick | undefined;
  /** The ids of the endpoints that have had it; none while the first has it. */
  #tried: Set<string> | undefined;
  #givenUp = false;

  constructor(way: Way, request: Request, handler: Handler, facts: PickRequest | undefined) {
    this.#way = way;
    this.#request = request;
    this.#handler = handler;
    this.#facts = facts;
  }

  /** Throws where nothing can be picked. */
  begin(): void {
    const { handle, calls, retry } = this.#way;
    const pick = handle.pick(this.#facts);
    const nowMs = calls.clock.now();
    if (retry !== undefined) this.#budget(retry).deposit(nowMs);
    calls.counters.calls++;
    this.#sendTo(pick, nowMs);
  }

  /** The caller wants no answer any more. */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** A stream that fails while it is sent, as when the sender of what is passed on is gone. */
  isOfBody(error: Error): boolean {
    return (this.#request.body as { readonly errored?: unknown } | null | undefined)?.errored === error;
  }

  /** To be asked before a failure is told to the caller. True when it is not to be told: the request goes elsewhere. */
  goesElsewhere(failure: FailureKind | undefined): boolean {
    const { retry, calls } = this.#way;
    if (retry === undefined || this.#givenUp || !maySendAgain(this.#request, failure, retry)) return false;
    const tried = this.#noteTried();
    const nowMs = calls.clock.now();
    const pick = tried.size > retry.retries ? undefined : this.#another(retry, tried, nowMs);
    if (pick === undefined) return false;
    calls.counters.retries++;
    this.#sendTo(pick, nowMs);
    return true;
  }

  /** One that has not had it, paid for; undefined when there is none, or no budget left. */
  #another(retry: RetryPlan, tried: ReadonlySet<string>, nowMs: number): Pick | undefined {
    const { handle, calls } = this.#way;
    const pick = handle.pickOther(tried, this.#facts);
    if (pick === undefined || this.#budget(retry).withdraw(nowMs)) return pick;
    calls.counters.budgetRefusals++;
    pick.done('cancelled');
    return undefined;
  }

  #sendTo(pick: Pick, nowMs: number): void {
    const { pools, calls, life: context } = this.#way;
    const pool = pools.get(pick.instance);
    const life = new RequestLife(pick, pool, context, nowMs);
    this.#pick = pick;
    calls.counters.attempts++;
    pool.enter();
    pool.dispatch(this.#request, accounted(this.#handler, life, this));
    life.handedOver();
  }

  #noteTried(): ReadonlySet<string> {
    this.#tried ??= new Set();
    if (this.#pick !== undefined) this.#tried.add(this.#pick.instance.id);
    return this.#tried;
  }

  #budget({ budget }: RetryPlan): RetryBudget {
    return budget ?? this.#way.calls.budget;
  }
}
