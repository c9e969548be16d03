/** The resolver's root: opens services on one or several registries, and closes all that was opened through it. */
import { isName, NAME_RULE } from '../registry/instance.js';
import type { Clock } from '../runtime/clock.js';
import { type Closer, CloseStack } from '../runtime/close-stack.js';
import { PilotfishError } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import { noRetries } from './call/counters.js';
import type { OutcomeStatus } from './ejection/outcome-counts.js';
import { type EjectionOptions, ejectionRules } from './ejection/rules.js';
import { openDispatcher, type ServiceDispatcher } from './http/dispatcher.js';
import type { DispatcherOptions } from './http/options.js';
import type { Source } from './merged.js';
import type { Policy } from './policy.js';
import { type CacheContext, type Counters, ServiceCache, type ServiceState } from './service-cache.js';
import { ServiceHandle } from './service-handle.js';
import { Shared } from './shared.js';

export interface ServiceOptions {
  /** Default: the policy given to `connect`. */
  readonly policy?: Policy;
  /**
   * Endpoints that callers find bad are left out for a while, as `pick.done` tells; `true` for what `connect` was given, or
   * the defaults. Default: what `connect` was given, or off.
   */
  readonly ejection?: EjectionOptions | boolean;
}

/** One service as this discovery sees it, for metrics and status pages. */
export interface ServiceStatus extends Readonly<Omit<Counters, 'outcomes'>> {
  readonly service: string;
  /** Undefined, like the rest of the list's life, while no handle of the service is open. */
  readonly state: ServiceState | undefined;
  /** Those that can be picked. */
  readonly endpoints: number | undefined;
  /** Those in use that the registry lists no more, see `ServiceHandle.held`. */
  readonly held: number | undefined;
  /** Of `endpoints`, those that are ejected now; undefined where no handle ejects. */
  readonly ejected: number | undefined;
  /** What became of its requests; undefined until some handle ejects. */
  readonly outcomes: OutcomeStatus | undefined;
  /** Entries that are no valid instance, or have an address that may not be used. */
  readonly rejectedEntries: number | undefined;
  readonly staleMs: number | undefined;
}

export class Discovery {
  readonly #sources: readonly Source[];
  readonly #policy: Policy;
  readonly #context: CacheContext;
  readonly #caches = new Shared<string, ServiceCache>((cache) => cache.close());
  readonly #counters = new Map<string, Counters>();
  readonly #handles = new Set<ServiceHandle>();
  readonly #closers = new CloseStack();
  #dispatcher: ServiceDispatcher | undefined;

  /** For `connect`. @param closers End the registries that were opened for this discovery. */
  constructor(sources: readonly Source[], policy: Policy, context: CacheContext, closers: readonly Closer[]) {
    this.#sources = sources;
    this.#policy = policy;
    this.#context = context;
    for (const closer of closers) this.#closers.defer(closer);
    this.#closers.defer(() => this.#closeHandles());
  }

  /**
   * A handle of a service, at once; the list arrives meanwhile, see `ready`. Handles of one service share one watch,
   * and those with the same policy object also one place in the list.
   * Throws BAD_INPUT for a name that no service can have, CLOSED after `close()`.
   */
  service(name: string, options: ServiceOptions = {}): ServiceHandle {
    const { policy = this.#policy, ejection = this.ejection } = options;
    if (this.closed) throw discoveryClosed();
    if (!isName(name)) reject('service', NAME_RULE, describe(name));
    const rules = ejectionRules(ejection, ejectionRules(this.ejection));
    const cache = this.#caches.acquire(name, () => this.#open(name));
    const balancer = cache.value.balancer(policy, rules);
    const handle = new ServiceHandle(cache.value, balancer.value, this.#context.clock, async () => {
      this.#handles.delete(handle);
      await balancer.release();
      await cache.release();
    });
    this.#handles.add(handle);
    return handle;
  }

  /**
   * An undici dispatcher that sends `http://orders/items` to a picked endpoint of the service `orders`, and requests to
   * other hosts where their URL says. For `fetch(url, { dispatcher })` and all of undici. Loads undici, at the first call.
   *
   * Without options always the same one. With options a new one at every call: make it once, and keep it.
   * Both end with the discovery. Throws CLOSED after `close()`, DRIVER_MISSING where undici is not installed.
   */
  dispatcher(options?: DispatcherOptions): ServiceDispatcher {
    if (options !== undefined) return this.#openDispatcher(options);
    this.#dispatcher ??= this.#openDispatcher({});
    return this.#dispatcher;
  }

  /** The built-in `fetch` through `dispatcher()`. Needs no `this`, so it can be handed to whatever takes a fetch. */
  readonly fetch: typeof globalThis.fetch = async (input, init) =>
    globalThis.fetch(input, { dispatcher: this.dispatcher(), ...init });

  /** The clock that everything of this discovery lives by. */
  get clock(): Clock {
    return this.#context.clock;
  }

  /** What `connect` was given; undefined where it was given nothing, so that whoever reports outcomes may turn it on. */
  get ejection(): EjectionOptions | boolean | undefined {
    return this.#context.ejection;
  }

  /** Every service that was ever asked for. Counts go on where they were when a service is opened again. */
  status(): readonly ServiceStatus[] {
    return [...this.#counters].map(([service, counters]) => {
      const cache = this.#caches.get(service);
      const copies = { retries: { ...counters.retries }, outcomes: counters.outcomes?.read() };
      return { service, ...counters, ...listStatus(cache), ...copies };
    });
  }

  get closed(): boolean {
    return this.#closers.closed;
  }

  /** Closes every handle, then the registries that were opened from URLs. Idempotent. */
  close(): Promise<void> {
    return this.#closers.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openDispatcher(options: DispatcherOptions): ServiceDispatcher {
    if (this.closed) throw discoveryClosed();
    const { dispatcher, close } = openDispatcher(this, options);
    this.#closers.defer(close);
    return dispatcher;
  }

  #open(service: string): ServiceCache {
    const counters = this.#counters.get(service) ?? {
      picks: 0,
      emptyPicks: 0,
      watchUpdates: 0,
      watchErrors: 0,
      retries: noRetries(),
    };
    this.#counters.set(service, counters);
    return new ServiceCache(service, this.#sources, counters, this.#context);
  }

  async #closeHandles(): Promise<void> {
    await Promise.all([...this.#handles].map((handle) => handle.close()));
  }
}

function discoveryClosed(): PilotfishError {
  return new PilotfishError('CLOSED', 'the discovery is closed');
}

function listStatus(cache: ServiceCache | undefined) {
  return {
    state: cache?.state,
    ejected: cache?.ejected,
    held: cache?.held.length,
    endpoints: cache?.snapshot === undefined ? undefined : cache.pickable.length,
    rejectedEntries:
      cache?.snapshot === undefined ? undefined : cache.snapshot.rejected.length + cache.refused.length,
    staleMs: cache?.staleMs,
  };
}
