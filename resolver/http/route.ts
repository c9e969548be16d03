/** The way of the requests for one origin of a service: pick, count, send, and hear how it ended. */
import type { Dispatcher } from 'undici';
import type { PickRequest } from '../policy.js';
import type { ServiceHandle } from '../service-handle.js';
import { fail, startEarly } from './early-start.js';
import type { EndpointPools } from './endpoint-pools.js';
import { accounted } from './handlers.js';
import { type LifeContext, RequestLife } from './request-life.js';

type Handler = Dispatcher.DispatchHandler;
type Options = Dispatcher.DispatchOptions;

export interface RouteContext extends LifeContext {
  readonly readyTimeoutMs: number;
  readonly pickRequest: ((request: Options) => PickRequest | undefined) | undefined;
}

export class Route {
  readonly #handle: ServiceHandle;
  readonly #pools: EndpointPools;
  readonly #context: RouteContext;

  constructor(handle: ServiceHandle, pools: EndpointPools, context: RouteContext) {
    this.#handle = handle;
    this.#pools = pools;
    this.#context = context;
    handle.onChange(({ snapshot }) => pools.keep(snapshot.instances));
  }

  get pools(): EndpointPools {
    return this.#pools;
  }

  /** Throws where nothing can be picked. */
  dispatch(options: Options, handler: Handler): void {
    if (this.#handle.snapshot === undefined) void this.#whenListed(options, handler);
    else this.#send(options, handler);
  }

  /** No new requests; those in flight finish. */
  retire(): Promise<void> {
    this.#pools.retire();
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
    const pick = this.#handle.pick(this.#context.pickRequest?.(options));
    const pool = this.#pools.get(pick.instance);
    pool.enter();
    pool.dispatch(options, accounted(handler, new RequestLife(pick, pool, this.#context)));
  }
}
