/**
 * etcd as a registry, over the JSON gateway that is part of it: a key per instance, `<prefix>/<service>/<id>`, in
 * pilotfish's own format or that of other software, on one lease per registry. `etcd://a:2379,b:2379/prefix?ttl=15s`
 */
import { linkedAbort, withDeadline } from '../../runtime/abort.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import type { Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import type {
  Instance,
  LostReason,
  OperationOptions,
  Registration,
  Registry,
  RegistryReader,
  RegistryState,
  Snapshot,
} from '../contract.js';
import type { Format } from '../formats/format.js';
import { loadFormat } from '../formats/index.js';
import { isName, NAME_RULE } from '../instance.js';
import { Leftovers } from '../leftovers.js';
import type { Backend, BackendContext } from '../open.js';
import { EtcdClient } from './client.js';
import { claim, unclaim, vacate } from './entry.js';
import { type EtcdKeys, etcdKeys, keysBelow } from './keys.js';
import { type Lease, LeaseKeeper } from './lease.js';
import { OwnKeys } from './own-keys.js';
import { readOnly } from './read-only.js';
import { isRefusal } from './refusal.js';
import { EtcdRegistration } from './registration.js';
import { ETCD_FORMATS, type EtcdSettings, parseEtcdUrl } from './settings.js';
import { Store } from './store.js';
import { watchService } from './watch.js';

/** How long a registration, an update or a removal may take. */
const OPERATION_LIMIT_MS = 15_000;
/** How long the end of the lease may take when the registry closes; else the entries end with their TTL. */
const CLOSE_LIMIT_MS = 5_000;

export const backend: Backend = { check: parseEtcdUrl, open: openEtcd };

/** Makes no request by itself. */
async function openEtcd(url: string, context: BackendContext): Promise<RegistryReader> {
  const settings = parseEtcdUrl(url);
  if (settings.authFile !== undefined && settings.tls === undefined) {
    context.logger.warn({ url }, 'the password goes to etcd in clear, as the URL allows');
  }
  const format = await loadFormat(settings.format, { scheme: settings.scheme, known: ETCD_FORMATS });
  const registry = new EtcdRegistry(url, settings, format, context);
  return format.encode === undefined ? readOnly(registry) : registry;
}

class EtcdRegistry implements Registry {
  readonly kind = 'etcd';
  readonly url: string;
  readonly onState: Event<RegistryState>;
  readonly #context: BackendContext;
  readonly #format: Format;
  readonly #keys: EtcdKeys;
  readonly #client: EtcdClient;
  readonly #store: Store;
  readonly #keeper: LeaseKeeper;
  readonly #own: OwnKeys;
  readonly #leftovers: Leftovers;
  readonly #closers = new CloseStack();
  /** Each `register` that is claiming a key, with that key. */
  readonly #claiming = new Map<Promise<unknown>, string>();
  readonly #fruitless = new Map<string, number>();

  constructor(url: string, settings: EtcdSettings, format: Format, context: BackendContext) {
    this.url = url;
    this.#context = context;
    this.#format = format;
    this.#keys = etcdKeys(settings.prefix, format);
    this.#client = new EtcdClient(settings, context);
    this.onState = this.#client.state.onChange;
    this.#store = new Store(this.#client);
    const [client, store] = [this.#client, this.#store];
    const keeper = new LeaseKeeper(client, {
      ...context,
      ttlMs: settings.ttlMs,
      onLost: (lease) => this.#leaseLost(lease),
      onTtl: () => this.#own.verify(),
    });
    this.#keeper = keeper;
    this.#own = new OwnKeys({ ...context, client, store, keeper });
    this.#leftovers = new Leftovers(context);
    this.#closers.defer(() => client.close());
    this.#closers.defer(() => this.#endLease());
    // The end of the lease removes what is left.
    this.#closers.defer(() => this.#leftovers.close(0));
  }

  get ttlMs(): number | undefined {
    return this.#keeper.ttlMs;
  }

  get state(): RegistryState {
    return this.#client.state.current;
  }

  get trouble(): string | undefined {
    return this.#client.state.trouble;
  }

  register(instance: Instance, { signal }: OperationOptions = {}): Promise<Registration> {
    const key = this.#keys.instance(instance.service, instance.id);
    const what = `registering ${instance.id}`;
    return this.#running(signal, (linked) =>
      withDeadline(this.#context.clock, OPERATION_LIMIT_MS, what, linked, (limited) =>
        this.#claimed(instance, key, limited),
      ),
    );
  }

  leftovers({ service, id }: Instance): Promise<void> | undefined {
    const key = this.#keys.instance(service, id);
    const claims = this.#claimsOf(key);
    if (claims.length === 0) return this.#leftovers.of(key);
    // Given up by whoever asked for it, and not at its end yet.
    return Promise.allSettled(claims).then(() => this.#leftovers.of(key));
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot, void> {
    this.#assertOpen();
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    const link = linkedAbort(signal);
    const release = this.#closers.defer(() => link.abort(closedError()));
    const [client, store, keys] = [this.#client, this.#store, this.#keys];
    const parts = { client, store, keys, format: this.#format, fruitless: this.#fruitless };
    try {
      yield* watchService({ ...this.#context, ...parts }, service, link.signal);
    } catch (error) {
      if (!link.signal.aborted) throw error;
    } finally {
      release();
      link.release();
    }
  }

  services({ signal }: OperationOptions = {}): Promise<readonly string[]> {
    const { root } = this.#keys;
    const names = new Set<string>();
    return this.#running(signal, async (linked) => {
      await this.#store.list(keysBelow(root), { signal: linked, keysOnly: true }, (page) => {
        for (const { key } of page) names.add(this.#keys.serviceOf(key) ?? '');
      });
      return [...names].filter(isName).sort();
    });
  }

  async ping({ signal }: OperationOptions = {}): Promise<void> {
    await this.#running(signal, (linked) => this.#client.ping(linked));
  }

  close(): Promise<void> {
    return this.#closers.close();
  }

  async #claimed(instance: Instance, key: string, signal: AbortSignal): Promise<Registration> {
    const lease = await this.#keeper.held(signal);
    const claiming = this.#claim(instance, { key, lease, value: this.#encode(instance) }, signal);
    this.#claiming.set(claiming, key);
    return claiming.finally(() => this.#claiming.delete(claiming));
  }

  async #claim(
    instance: Instance,
    { key, lease, value }: { key: string; lease: Lease; value: Buffer | undefined },
    signal: AbortSignal,
  ): Promise<Registration> {
    try {
      const revision = await this.#write(key, value, lease, signal);
      signal.throwIfAborted();
      return this.#hold(instance, { key, lease, revision });
    } catch (error) {
      if (isRefusal(error, 'no lease')) this.#keeper.gone(lease);
      else this.#leave(key, lease);
      throw error;
    }
  }

  /** The key is left to be removed, unless it is wanted again by then. */
  #leave(entry: string, lease: Lease): void {
    const isWanted = (): boolean => this.#isWanted(entry);
    this.#leftovers.remove({
      entry,
      look: (signal) => unclaim(this.#store, entry, lease.id, { signal }, isWanted),
      // A member that was frozen carries a put out as late as that.
      pauseMs: lease.ttlMs,
      // What hung on a lease that is over is gone, and nothing can be put on it any more.
      isOver: () => !this.#keeper.isHeld(lease),
    });
  }

  #isWanted(key: string): boolean {
    return this.#claimsOf(key).length > 0 || this.#own.has(key);
  }

  #claimsOf(key: string): readonly Promise<unknown>[] {
    return [...this.#claiming].filter(([, claimed]) => claimed === key).map(([claim]) => claim);
  }

  #encode(instance: Instance): Buffer | undefined {
    if (this.#format.hides?.(instance)) return undefined;
    const written = this.#format.encode?.(instance, this.#context.clock.wallNow());
    return written && Buffer.from(written.data);
  }

  /** The revision of the put; undefined where there is to be no key. */
  async #write(
    key: string,
    value: Buffer | undefined,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (value !== undefined) return claim(this.#store, key, { value, lease: lease.id }, { signal });
    await vacate(this.#store, key, { signal });
    return undefined;
  }

  #hold(
    instance: Instance,
    found: { key: string; lease: Lease; revision: number | undefined },
  ): Registration {
    const registration: EtcdRegistration = new EtcdRegistration(instance, {
      ...found,
      store: this.#store,
      clock: this.#context.clock,
      limitMs: OPERATION_LIMIT_MS,
      encode: (next) => this.#encode(next),
      whyMissing: (lease, signal) => this.#whyMissing(lease, signal),
      onOver: () => this.#own.remove(registration),
      isWanted: () => this.#isWanted(found.key),
      onLeft: () => this.#leave(found.key, found.lease),
    });
    this.#own.add(registration);
    // Its lease may have ended while the answer was on its way.
    if (!this.#keeper.isHeld(found.lease)) registration.gone('expired');
    return registration;
  }

  async #whyMissing(lease: Lease, signal: AbortSignal): Promise<LostReason> {
    return (await this.#keeper.check(lease, signal)) ? 'deleted' : 'expired';
  }

  #leaseLost(lease: Lease): void {
    for (const registration of this.#own.all()) {
      if (registration.lease === lease) registration.gone('expired');
    }
  }

  /** One request removes all that is registered here, and what an unfinished call may have left. */
  async #endLease(): Promise<void> {
    const { clock, logger } = this.#context;
    for (const registration of this.#own.all()) registration.released();
    try {
      await withDeadline(clock, CLOSE_LIMIT_MS, 'ending the lease', undefined, () => this.#keeper.close());
    } catch (error) {
      logger.warn(
        { cause: messageOf(error) },
        'could not end the etcd lease; its entries end with their TTL',
      );
    }
  }

  async #running<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#assertOpen();
    const link = linkedAbort(signal);
    const release = this.#closers.defer(() => link.abort(closedError()));
    try {
      return await work(link.signal);
    } finally {
      release();
      link.release();
    }
  }

  #assertOpen(): void {
    if (this.#closers.closed) throw closedError();
  }
}

function closedError(): PilotfishError {
  return new PilotfishError('CLOSED', 'the registry was closed');
}
