/** Which way each request goes, and the life of all ways together. */
import type { Dispatcher } from 'undici';
import { withDeadline } from '../../runtime/abort.js';
import { PilotfishError } from '../../runtime/errors.js';
import { fail } from './early-start.js';
import { CONNECT_TIMEOUT_MS } from './endpoint-pool.js';
import { EndpointPools } from './endpoint-pools.js';
import { CLOSE_TIMEOUT_MS, type DispatcherOptions, READY_TIMEOUT_MS } from './options.js';
import { lifeContext } from './request-life.js';
import { retryPlan } from './retry.js';
import { Route, type RouteContext } from './route.js';
import { serviceNaming } from './service-names.js';
import { openHandle, type Services } from './services.js';
import type { Undici } from './undici.js';

export class Router {
  readonly #services: Services;
  readonly #undici: Undici;
  readonly #options: DispatcherOptions;
  readonly #nameOf: (origin: URL) => string | undefined;
  readonly #context: RouteContext;
  readonly #routes = new Map<string, Route>();
  /** The one of the last request, and most often of the next. */
  #last: { readonly origin: string; readonly route: Route } | undefined;
  #others: Dispatcher | undefined;
  #closing: Promise<void> | undefined;

  constructor(services: Services, undici: Undici, options: DispatcherOptions) {
    this.#services = services;
    this.#undici = undici;
    this.#options = options;
    this.#nameOf = serviceNaming(options.services);
    this.#context = {
      life: lifeContext(services.clock, options),
      readyTimeoutMs: options.readyTimeoutMs ?? READY_TIMEOUT_MS,
      pickRequest: options.pickRequest,
      retry: retryPlan(options.retry),
    };
  }

  /** What cannot be sent is told to the handler; this throws nothing of its own. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    try {
      this.#way(options.origin).dispatch(options, handler);
    } catch (error) {
      fail(handler, error as Error);
    }
  }

  /** How many pools are open. */
  get pools(): number {
    return [...this.#routes.values()].reduce((sum, { pools }) => sum + pools.size, 0);
  }

  /** No new requests. Resolves when those in flight have ended and all connections are closed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Ends everything now. */
  async destroy(): Promise<void> {
    void this.close();
    const routes = [...this.#routes.values()].map(({ pools }) => pools.destroy());
    await Promise.all([...routes, this.#ownAgent()?.destroy(), this.#closing]);
  }

  /** As `close`, but not for longer than `closeTimeoutMs`. */
  async closeInTime(): Promise<void> {
    const { closeTimeoutMs = CLOSE_TIMEOUT_MS } = this.#options;
    await withDeadline(this.#services.clock, closeTimeoutMs, 'closing', undefined, () => this.close()).catch(
      () => this.destroy(),
    );
  }

  #way(origin: string | URL | undefined): Dispatcher | Route {
    if (this.#closing !== undefined) throw new PilotfishError('CLOSED', 'the dispatcher is closed');
    return this.#route(origin) ?? this.#otherwise();
  }

  /** The route of an origin, undefined when it names no service. */
  #route(origin: string | URL | undefined): Route | undefined {
    const text = typeof origin === 'string' ? origin : `${origin?.origin}`;
    if (this.#last?.origin === text) return this.#last.route;
    const route = this.#routes.get(text) ?? this.#openRoute(text);
    if (route !== undefined) this.#last = { origin: text, route };
    return route;
  }

  #openRoute(text: string): Route | undefined {
    const name = this.#nameOf(new URL(text));
    if (name === undefined) return undefined;
    const { policy } = this.#options;
    const handle = openHandle(this.#services, name, policy);
    const pools = new EndpointPools(this.#undici, text, this.#options.pool ?? {});
    const route = new Route(handle, pools, this.#context);
    this.#routes.set(text, route);
    return route;
  }

  #otherwise(): Dispatcher {
    this.#others ??=
      this.#options.others ??
      new this.#undici.Agent({ connectTimeout: CONNECT_TIMEOUT_MS, ...this.#options.pool });
    return this.#others;
  }

  #ownAgent(): Dispatcher | undefined {
    return this.#options.others === undefined ? this.#others : undefined;
  }

  async #close(): Promise<void> {
    const routes = [...this.#routes.values()];
    const gone = routes.map(({ pools }) => pools.gone());
    await Promise.all([...routes.map((route) => route.retire()), ...gone, this.#ownAgent()?.close()]);
    this.#context.life.stalled.close();
  }
}
