/** The way of the requests for one origin of a service. A request waits here for the first list, and for nothing else. */
import type { Dispatcher } from 'undici';
import type { PickRequest } from '../policy.js';
import type { ServiceHandle } from '../service-handle.js';
import { fail, startEarly } from './early-start.js';
import type { EndpointPools } from './endpoint-pools.js';
import { Exchange, type Way } from './exchange.js';
import type { LifeContext } from './request-life.js';
import type { RetryPlan } from './retry.js';

type Handler = Dispatcher.DispatchHandler;
type Options = Dispatcher.DispatchOptions;

export interface RouteContext {
  readonly life: LifeContext;
  readonly readyTimeoutMs: number;
  readonly pickRequest: ((request: Options) => PickRequest | undefined) | undefined;
  readonly retry: RetryPlan | undefined;
}

export class Route {
  readonly #handle: ServiceHandle;
  readonly #context: RouteContext;
  readonly #way: Way;
  /** Whether a list has come. Remembered, because every request asks. */
  #isListed = false;

  constructor(handle: ServiceHandle, pools: EndpointPools, context: RouteContext) {
    const { life, retry } = context;
    this.#handle = handle;
    this.#context = context;
    this.#way = { handle, calls: handle.calls, pools, life, retry };
    handle.onChange(({ snapshot }) => pools.keep(snapshot.instances));
  }

  get pools(): EndpointPools {
    return this.#way.pools;
  }

  /** Throws where nothing can be picked. */
  dispatch(options: Options, handler: Handler): void {
    this.#isListed ||= this.#handle.snapshot !== undefined;
    if (this.#isListed) this.#send(options, handler);
    else void this.#whenListed(options, handler);
  }

  /** No new requests; those in flight finish. */
  retire(): Promise<void> {
    this.pools.retire();
    return this.#handle.close();
  }

  async #whenListed(options: Options, handler: Handler): Promise<void> {
    const signal = startEarly(handler);
    try {
      await this.#handle.ready({ timeoutMs: this.#context.readyTimeoutMs, minEndpoints: 0, signal });
      this.#send(options, handler);
    } catch (error) {
      fail(handler, error as Error);
    }
  }

  #send(options: Options, handler: Handler): void {
    new Exchange(this.#way, options, handler, this.#context.pickRequest?.(options)).begin();
  }
}
