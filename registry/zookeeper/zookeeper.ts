/**
 * ZooKeeper as a registry: an ephemeral node per instance, `<chroot>/<service>/<id>`, in pilotfish's own format.
 * `zookeeper://a:2181,b:2181/chroot?sessionTimeout=10s`
 */
import { linkedAbort, withDeadline } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import { jittered } from '../../runtime/random.js';
import type {
  Instance,
  OperationOptions,
  Registration,
  Registry,
  RegistryState,
  Snapshot,
} from '../contract.js';
import { encodeInstance } from '../formats/pilotfish.js';
import { isName, NAME_RULE } from '../instance.js';
import type { Backend, BackendContext } from '../open.js';
import { ChildListing } from './child-listing.js';
import { asRegistryError, canReadTrees, isZkError, type ZkConnect, type ZkSession } from './driver.js';
import { claim, unclaim } from './entry.js';
import type { Listing } from './listed-children.js';
import { type ZkPaths, zkPaths } from './paths.js';
import { ZkRegistration } from './registration.js';
import { parseZkUrl } from './settings.js';
import { acquireSession, type SharedSession } from './shared-session.js';
import { TreeListing } from './tree-listing.js';
import { connectWire } from './wire/client.js';

/** A list without events is read anew after this long, ± 20 %, because a lost event would never be noticed. */
const REREAD_MS = 60_000;
/** How long a registration, an update or a removal may take while the session is connected. */
const OPERATION_LIMIT_MS = 15_000;
const CLEAN_UP = { baseMs: 100, capMs: 5_000 };

export const backend: Backend = { check: parseZkUrl, open: openZooKeeper };

async function openZooKeeper(text: string, context: BackendContext): Promise<Registry> {
  const settings = parseZkUrl(text);
  const connect = settings.driver === 'native' ? await loadNative() : connectWire;
  const { session, release } = acquireSession({ ...settings, connect, ...context });
  const { timeoutMs, chroot, open, insecure } = settings;
  if (insecure)
    context.logger.warn({ url: text }, 'the password goes to zookeeper in clear, as the URL allows');
  return new ZooKeeperRegistry(text, session, release, {
    paths: zkPaths(chroot),
    timeoutMs,
    open,
    ...context,
  });
}

async function loadNative(): Promise<ZkConnect> {
  const { loadNativeDriver } = await import('./native-driver.js');
  return loadNativeDriver();
}

interface ZooKeeperOptions extends BackendContext {
  readonly paths: ZkPaths;
  readonly timeoutMs: number;
  /** Whether what is registered here may be changed by everybody. */
  readonly open: boolean;
}

class ZooKeeperRegistry implements Registry {
  readonly kind = 'zookeeper';
  readonly url: string;
  readonly #session: SharedSession;
  readonly #options: ZooKeeperOptions;
  readonly #states = new Emitter<RegistryState>();
  readonly #closers = new CloseStack();
  readonly #registrations = new Map<string, ZkRegistration>();
  /** Paths that a `register` in progress is claiming. */
  readonly #claiming = new Set<string>();
  /** What looks after failed registers; the session may be shared, so its end does not remove what they left. */
  readonly #cleanUps = new Set<Promise<void>>();
  readonly #stop = linkedAbort();
  #state: RegistryState;
  #warned = false;

  constructor(url: string, session: SharedSession, release: () => Promise<void>, options: ZooKeeperOptions) {
    this.url = url;
    this.#session = session;
    this.#options = options;
    this.#state = session.state;
    this.#closers.defer(release);
    this.#closers.defer(session.onState((state) => this.#move(state)));
    this.#closers.defer(() => this.#closeRegistrations());
    this.#closers.defer(() => this.#endCleanUps());
    this.#closers.defer(() => this.#stop.abort(new PilotfishError('CLOSED', 'the registry was closed')));
  }

  get state(): RegistryState {
    return this.#state;
  }

  get ttlMs(): number | undefined {
    return this.#session.timeoutMs;
  }

  readonly onState: Event<RegistryState> = this.#states.event;

  async register(instance: Instance, { signal }: OperationOptions = {}): Promise<Registration> {
    const { paths, clock } = this.#options;
    const session = await this.#connected(signal);
    this.#warnIfOpen();
    const path = paths.instance(instance.service, instance.id);
    const onClose = (): void => this.#forget(path, registration);
    const data = encodeInstance(instance);
    let registration: ZkRegistration | undefined;
    this.#claiming.add(path);
    const claimed = claim(session, path, data);
    try {
      await withDeadline(clock, OPERATION_LIMIT_MS, `registering ${instance.id}`, signal, () => claimed);
      registration = new ZkRegistration(instance, {
        session,
        path,
        clock,
        limitMs: OPERATION_LIMIT_MS,
        onClose,
      });
      this.#registrations.set(path, registration);
      return registration;
    } catch (error) {
      // A claim that was given up may still succeed: look only once it has ended.
      const cleanUp = claimed.catch(() => {}).then(() => this.#cleanUp(session, path));
      this.#cleanUps.add(cleanUp);
      void cleanUp.finally(() => this.#cleanUps.delete(cleanUp));
      throw asRegistryError(error);
    } finally {
      this.#claiming.delete(path);
    }
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    const link = linkedAbort(signal);
    const release = this.#closers.defer(() => link.abort(undefined));
    try {
      yield* this.#lists(service, link.signal);
    } catch (error) {
      if (!link.signal.aborted) throw asRegistryError(error);
    } finally {
      release();
      link.release();
    }
  }

  async services({ signal }: OperationOptions = {}): Promise<readonly string[]> {
    const session = await this.#connected(signal);
    try {
      const { names } = await session.children(this.#options.paths.root);
      return names.filter((name) => isName(name) && name !== 'zookeeper').sort();
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return [];
      throw asRegistryError(error);
    }
  }

  async ping({ signal }: OperationOptions = {}): Promise<void> {
    const session = await this.#connected(signal);
    await session.exists('/').catch((error: unknown) => {
      throw asRegistryError(error);
    });
  }

  async close(): Promise<void> {
    await this.#closers.close();
    this.#move('closed');
  }

  #connected(signal?: AbortSignal): Promise<ZkSession> {
    if (this.#closers.closed) throw new PilotfishError('CLOSED', 'the registry was closed');
    return this.#session.connected(this.#options.timeoutMs, signal);
  }

  /** Lists as long as the session stays connected; a gap in the connection is the end, because events are lost in it. */
  async *#lists(service: string, signal: AbortSignal): AsyncGenerator<Snapshot> {
    const { clock, random, paths } = this.#options;
    const session = await this.#connected(signal);
    const path = paths.service(service);
    const bell = new Doorbell();
    const unsubscribe = session.onState(() => bell.ring());
    let listing: Listing | undefined;
    try {
      await session.sync(path).catch((error: unknown) => {
        if (!isZkError(error, 'NO_NODE')) throw error;
      });
      const first = await firstList(session, path, service, () => bell.ring());
      listing = first.listing;
      yield first.snapshot;
      while (!signal.aborted) {
        const waitedFrom = clock.now();
        const waitMs = jittered(REREAD_MS, 0.2, random);
        await bell.wait(clock, waitMs, signal);
        if (signal.aborted) return;
        if (session.state !== 'connected') {
          throw new PilotfishError('UNAVAILABLE', `the zookeeper session is ${session.state}`);
        }
        yield await (clock.now() - waitedFrom < waitMs ? listing.read() : listing.reread());
      }
    } finally {
      unsubscribe();
      await listing?.close();
    }
  }

  /**
   * A failed register may have left its node: deletes it once the session is connected again, unless somebody has
   * registered it again since. A session that is over takes its nodes with it. At the end of the registry it tries once.
   */
  async #cleanUp(session: ZkSession, path: string): Promise<void> {
    const { clock, random, timeoutMs } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const isLast = this.#stop.signal.aborted;
      try {
        const current = isLast ? session : await this.#session.connected(timeoutMs, this.#stop.signal);
        const isWanted = (): boolean => this.#registrations.has(path) || this.#claiming.has(path);
        if (current === session) await unclaim(session, path, isWanted);
        return;
      } catch {
        if (isLast) return;
        await sleep(clock, backoffMs(attempt, CLEAN_UP, random), this.#stop.signal).catch(() => {});
      }
    }
  }

  /** Said by whoever writes, and once. */
  #warnIfOpen(): void {
    const { open, logger } = this.#options;
    if (!open || this.#warned) return;
    this.#warned = true;
    logger.warn(
      { url: this.url },
      'everybody may change what is registered here: the URL has no credentials',
    );
  }

  #forget(path: string, registration: ZkRegistration | undefined): void {
    if (registration !== undefined && this.#registrations.get(path) === registration)
      this.#registrations.delete(path);
  }

  async #endCleanUps(): Promise<void> {
    await Promise.allSettled(this.#cleanUps);
  }

  async #closeRegistrations(): Promise<void> {
    await Promise.allSettled([...this.#registrations.values()].map((registration) => registration.close()));
  }

  #move(state: RegistryState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.#states.emit(state);
  }
}

/** By tree where driver and server can, else by children; whether the server can shows at the first try. */
async function firstList(
  session: ZkSession,
  path: string,
  service: string,
  onChange: () => void,
): Promise<{ listing: Listing; snapshot: Snapshot }> {
  if (canReadTrees(session)) {
    const tree = new TreeListing(session, path, service, onChange);
    try {
      return { listing: tree, snapshot: await tree.read() };
    } catch (error) {
      await tree.close();
      if (!isZkError(error, 'UNIMPLEMENTED')) throw error;
    }
  }
  const listing = new ChildListing(session, path, service, onChange);
  return { listing, snapshot: await listing.read() };
}
