/** The resolver's root: opens services on one or several registries, and closes all that was opened through it. */
import { isName, NAME_RULE } from '../registry/instance.js';
import { type Closer, CloseStack } from '../runtime/close-stack.js';
import { PilotfishError } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import type { Source } from './merged.js';
import type { Policy } from './policy.js';
import { type CacheContext, type Counters, ServiceCache, type ServiceState } from './service-cache.js';
import { ServiceHandle } from './service-handle.js';
import { Shared } from './shared.js';

export interface ServiceOptions {
  /** Default: the policy given to `connect`. */
  readonly policy?: Policy;
}

/** One service as this discovery sees it, for metrics and status pages. */
export interface ServiceStatus extends Readonly<Counters> {
  readonly service: string;
  /** Undefined, like the rest of the list's life, while no handle of the service is open. */
  readonly state: ServiceState | undefined;
  /** Those that can be picked. */
  readonly endpoints: number | undefined;
  /** Entries left out: no valid instance, or an address that may not be used. */
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
  service(name: string, { policy = this.#policy }: ServiceOptions = {}): ServiceHandle {
    if (this.closed) throw new PilotfishError('CLOSED', 'the discovery is closed');
    if (!isName(name)) reject('service', NAME_RULE, describe(name));
    const cache = this.#caches.acquire(name, () => this.#open(name));
    const balancer = cache.value.balancer(policy);
    const handle = new ServiceHandle(cache.value, balancer.value, this.#context.clock, async () => {
      this.#handles.delete(handle);
      await balancer.release();
      await cache.release();
    });
    this.#handles.add(handle);
    return handle;
  }

  /** Every service that was ever asked for. Counts go on where they were when a service is opened again. */
  status(): readonly ServiceStatus[] {
    return [...this.#counters].map(([service, counters]) => {
      const cache = this.#caches.get(service);
      return { service, ...counters, ...listStatus(cache) };
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

  #open(service: string): ServiceCache {
    const counters = this.#counters.get(service) ?? {
      picks: 0,
      emptyPicks: 0,
      watchUpdates: 0,
      watchErrors: 0,
    };
    this.#counters.set(service, counters);
    return new ServiceCache(service, this.#sources, counters, this.#context);
  }

  async #closeHandles(): Promise<void> {
    await Promise.all([...this.#handles].map((handle) => handle.close()));
  }
}

function listStatus(cache: ServiceCache | undefined) {
  return {
    state: cache?.state,
    endpoints: cache?.snapshot === undefined ? undefined : cache.pickable.length,
    rejectedEntries:
      cache?.snapshot === undefined ? undefined : cache.snapshot.rejected.length + cache.refused.length,
    staleMs: cache?.staleMs,
  };
}
