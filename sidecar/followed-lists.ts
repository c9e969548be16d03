/**
 * Lists of services that somebody asks the sidecar for now and then, such as Prometheus once a minute. Each is watched
 * from the first question until nobody has asked for a while, so that an answer costs the registry nothing, and the last
 * good list is there while a registry is away.
 */
import type { Instance, RegistryReader } from '../registry/contract.js';
import { type SupervisedOptions, type SupervisedWatch, supervise } from '../registry/supervised.js';
import { linkedAbort } from '../runtime/abort.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { formatHostPort } from '../runtime/host-port.js';

/** How many services are watched at a time: each is a watch in every registry. */
export const MAX_FOLLOWED = 100;
/** Whoever comes back less often than this pays for a new watch. */
const IDLE_MS = 10 * 60_000;
/** How long the first question waits for the first list. */
const FIRST_LIST_MS = 5_000;

export class FollowedLists {
  readonly #registries: () => readonly RegistryReader[];
  readonly #options: SupervisedOptions;
  readonly #followed = new Map<string, Followed>();

  /** @param registries those to read now; a reload may change them. */
  constructor(registries: () => readonly RegistryReader[], options: SupervisedOptions) {
    this.#registries = registries;
    this.#options = options;
  }

  /** Whether these can be watched beside those that are already. */
  hasRoomFor(services: readonly string[]): boolean {
    return new Set([...this.#followed.keys(), ...services]).size <= MAX_FOLLOWED;
  }

  /**
   * The instances of the service in all registries, each endpoint once, as the first registry that has it says; undefined
   * while one of them has never given a list: what is only there would seem to be gone.
   */
  async read(service: string): Promise<readonly Instance[] | undefined> {
    const followed = this.#follow(service);
    const watches = followed.watchesOf(this.#registries());
    await Promise.all(watches.map((watch) => followed.firstList(watch)));
    const lists = watches.flatMap(({ snapshot }) => snapshot ?? []);
    if (lists.length < watches.length) return undefined;
    const byEndpoint = new Map<string, Instance>();
    for (const instance of lists.flatMap(({ instances }) => instances)) {
      const target = formatHostPort(instance.endpoint);
      if (!byEndpoint.has(target)) byEndpoint.set(target, instance);
    }
    return [...byEndpoint.values()];
  }

  /** Ends every watch. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#followed.keys()].map((service) => this.#forget(service)));
  }

  #follow(service: string): Followed {
    const known = this.#followed.get(service) ?? new Followed(service, this.#options);
    this.#followed.set(service, known);
    known.forgetAfter(IDLE_MS, () => void this.#forget(service));
    return known;
  }

  async #forget(service: string): Promise<void> {
    const followed = this.#followed.get(service);
    this.#followed.delete(service);
    await followed?.close();
  }
}

/** One service. */
class Followed {
  readonly #service: string;
  readonly #options: SupervisedOptions;
  readonly #watches = new Map<RegistryReader, SupervisedWatch>();
  readonly #firstLists = new WeakMap<SupervisedWatch, Promise<void>>();
  readonly #closed = linkedAbort();
  #cancel: () => void = () => {};

  constructor(service: string, options: SupervisedOptions) {
    this.#service = service;
    this.#options = options;
  }

  /** A watch in each of the registries, and none in any other. */
  watchesOf(registries: readonly RegistryReader[]): readonly SupervisedWatch[] {
    for (const [registry, watch] of this.#watches) {
      if (registries.includes(registry)) continue;
      this.#watches.delete(registry);
      void watch.close();
    }
    return registries.map((registry) => this.#watches.get(registry) ?? this.#start(registry));
  }

  /** Resolves with the first list, or when it has been waited for long enough since the watch began. */
  async firstList(watch: SupervisedWatch): Promise<void> {
    if (watch.snapshot === undefined) await this.#firstLists.get(watch);
  }

  forgetAfter(ms: number, forget: () => void): void {
    this.#cancel();
    this.#cancel = this.#options.clock.after(ms, forget);
  }

  async close(): Promise<void> {
    this.#cancel();
    this.#closed.abort(undefined);
    await Promise.all([...this.#watches.values()].map((watch) => watch.close()));
  }

  #start(registry: RegistryReader): SupervisedWatch {
    const watch = supervise(registry, this.#service, this.#options);
    this.#watches.set(registry, watch);
    this.#firstLists.set(watch, firstListOf(watch, this.#options.clock, this.#closed.signal));
    return watch;
  }
}

/** Resolves with the first list, when it takes too long, or when `signal` aborts. */
async function firstListOf(watch: SupervisedWatch, clock: Clock, signal: AbortSignal): Promise<void> {
  const enough = linkedAbort(signal);
  const unsubscribe = watch.onUpdate(({ type }) => {
    if (type === 'snapshot') enough.abort(undefined);
  });
  await sleep(clock, FIRST_LIST_MS, enough.signal).catch(() => {});
  unsubscribe();
  enough.release();
}
