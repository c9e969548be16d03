/** The read side: the list of a service, and the names of all, in whatever format the entries are. */
import { linkedAbort } from '../../runtime/abort.js';
import { sleep } from '../../runtime/clock.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import { jittered } from '../../runtime/random.js';
import type { OperationOptions, RegistryReader, RegistryState, Snapshot } from '../contract.js';
import type { Format } from '../formats/format.js';
import { isName, NAME_RULE } from '../instance.js';
import type { BackendContext } from '../open.js';
import { diff } from '../snapshot.js';
import { ChildListing } from './child-listing.js';
import {
  asRegistryError,
  canReadTrees,
  canReplace,
  isZkError,
  type ZkSession,
  type ZkState,
} from './driver.js';
import type { Listed, Listing } from './listed-children.js';
import type { ZkPaths } from './paths.js';
import type { SharedSession } from './shared-session.js';
import { TreeListing } from './tree-listing.js';

/** A list without events is read anew after this long, ± 20 %, because a lost event would never be noticed. */
const REREAD_MS = 60_000;
/** How long a driver without transactions leaves an id out that it takes over, with much to spare. */
const TAKEOVER_MS = 100;

export interface ZooKeeperOptions extends BackendContext {
  readonly url: string;
  readonly session: SharedSession;
  /** Gives the session back. */
  readonly release: () => Promise<void>;
  readonly format: Format;
  readonly paths: ZkPaths;
  readonly timeoutMs: number;
  /** Whether what is registered here may be changed by everybody. */
  readonly open: boolean;
}

export class ZooKeeperReader implements RegistryReader {
  readonly kind = 'zookeeper';
  readonly url: string;
  protected readonly options: ZooKeeperOptions;
  protected readonly closers = new CloseStack();
  readonly #states = new Emitter<RegistryState>();
  #state: RegistryState;

  constructor(options: ZooKeeperOptions) {
    const { url, session, release } = options;
    this.url = url;
    this.options = options;
    this.#state = session.state;
    this.closers.defer(release);
    this.closers.defer(session.onState((state) => this.#move(state)));
  }

  get state(): RegistryState {
    return this.#state;
  }

  get ttlMs(): number | undefined {
    return this.options.session.timeoutMs;
  }

  get trouble(): string | undefined {
    return this.options.session.trouble;
  }

  readonly onState: Event<RegistryState> = this.#states.event;

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    const link = linkedAbort(signal);
    const release = this.closers.defer(() => link.abort(undefined));
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
    const session = await this.connected(signal);
    const { paths, format } = this.options;
    if (format.services !== undefined) return format.services;
    try {
      const { names } = await session.children(paths.root);
      return names.filter((name) => isName(name) && name !== 'zookeeper').sort();
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return [];
      throw asRegistryError(error);
    }
  }

  async ping({ signal }: OperationOptions = {}): Promise<void> {
    const session = await this.connected(signal);
    await session.exists('/').catch((error: unknown) => {
      throw asRegistryError(error);
    });
  }

  async close(): Promise<void> {
    await this.closers.close();
    this.#move('closed');
  }

  protected connected(signal?: AbortSignal): Promise<ZkSession> {
    if (this.closers.closed) throw new PilotfishError('CLOSED', 'the registry was closed');
    return this.options.session.connected(this.options.timeoutMs, signal);
  }

  /** Lists as long as the session stays connected; a gap in the connection is the end, because events are lost in it. */
  async *#lists(service: string, signal: AbortSignal): AsyncGenerator<Snapshot> {
    const { clock, random, paths, format } = this.options;
    const session = await this.connected(signal);
    const path = paths.folder(service);
    const bell = new Doorbell();
    let broken: ZkState | undefined;
    const unsubscribe = session.onState((state) => {
      if (state !== 'connected') broken ??= state;
      bell.ring();
    });
    let listing: Listing | undefined;
    try {
      await session.sync(path).catch((error: unknown) => {
        if (!isZkError(error, 'NO_NODE')) throw error;
      });
      const first = await firstList(session, { service, path, format }, () => bell.ring());
      listing = first.listing;
      let last = first.snapshot;
      yield last;
      while (!signal.aborted) {
        const waitedFrom = clock.now();
        const waitMs = jittered(REREAD_MS, 0.2, random);
        await bell.wait(clock, waitMs, signal);
        if (signal.aborted) return;
        // Also where it is connected again since: the consumer may have been busy meanwhile.
        if (broken !== undefined) {
          throw new PilotfishError('UNAVAILABLE', `the zookeeper session was ${broken}`);
        }
        let list = await (clock.now() - waitedFrom < waitMs ? listing.read() : listing.reread());
        // Whoever reads by such a driver is likely to read what is written by it: the other half may be on its way.
        if (!canReplace(session) && diff(last, list).removed.length > 0) {
          await sleep(clock, TAKEOVER_MS, signal).catch(() => {});
          list = await listing.read();
        }
        last = list;
        yield list;
      }
    } finally {
      unsubscribe();
      await listing?.close();
    }
  }

  #move(state: RegistryState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.#states.emit(state);
  }
}

/** By tree where driver and server can, else by children; what the server can, shows at the first try. */
async function firstList(
  session: ZkSession,
  listed: Listed,
  onChange: () => void,
): Promise<{ listing: Listing; snapshot: Snapshot }> {
  if (canReadTrees(session)) {
    const tree = new TreeListing(session, listed, onChange);
    try {
      return { listing: tree, snapshot: await tree.read() };
    } catch (error) {
      await tree.close();
      if (!isZkError(error, 'UNIMPLEMENTED')) throw error;
    }
  }
  const listing = new ChildListing(session, listed, onChange);
  return { listing, snapshot: await listing.read() };
}
