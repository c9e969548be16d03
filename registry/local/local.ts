/**
 * The embedded registry: a directory that the processes of one host share, no server. Crash-safe by leases, like the
 * others: an owner that dies takes its entries with it within its TTL. `local:` or `local:/some/dir?ttl=10s`.
 */
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { linkedAbort } from '../../runtime/abort.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import type { Instance, OperationOptions, Registry, RegistryState, Snapshot } from '../contract.js';
import { watchDirectory } from '../directory-watch.js';
import { isName, NAME_RULE } from '../instance.js';
import type { Backend, BackendContext } from '../open.js';
import { durationParam, parseRegistryUrl } from '../url.js';
import { isAlive, LocalFiles } from './files.js';
import { type HostTime, systemHostTime } from './host-time.js';
import { type Beat, Lease } from './lease.js';
import { ServiceListing } from './listing.js';
import { OwnEntries } from './own-entries.js';
import { LocalRegistration } from './registration.js';

const DEFAULT_TTL_MS = 10_000;
const DEFAULT_POLL_MS = 1_000;
const SHORTEST_TTL_MS = 500;
const SHORTEST_POLL_MS = 10;

export const backend: Backend = { check: parseLocalUrl, open: openLocal };

async function openLocal(text: string, context: BackendContext): Promise<Registry> {
  const { directory, ttlMs, pollMs } = parseLocalUrl(text);
  return new LocalRegistry(text, directory, { ttlMs, pollMs, hostTime: systemHostTime, ...context });
}

function parseLocalUrl(text: string): { directory: string; ttlMs: number; pollMs: number } {
  const url = parseRegistryUrl(text, { params: { ttl: 'duration', poll: 'duration' } });
  const ttlMs = durationParam(url, 'ttl', DEFAULT_TTL_MS);
  if (ttlMs < SHORTEST_TTL_MS) reject('registry?ttl', `at least ${SHORTEST_TTL_MS}ms`, `${ttlMs}ms`);
  const pollMs = durationParam(url, 'poll', DEFAULT_POLL_MS);
  if (pollMs < SHORTEST_POLL_MS) reject('registry?poll', `at least ${SHORTEST_POLL_MS}ms`, `${pollMs}ms`);
  return { directory: url.path === '' ? defaultDirectory() : resolve(url.path), ttlMs, pollMs };
}

/** One per user, the same for every process of that user. */
function defaultDirectory(): string {
  return join(tmpdir(), `pilotfish-${process.getuid?.() ?? userInfo().username}`);
}

interface LocalOptions extends BackendContext {
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly hostTime: HostTime;
}

export class LocalRegistry implements Registry {
  readonly kind = 'local';
  readonly url: string;
  readonly #files: LocalFiles;
  readonly #options: LocalOptions;
  readonly #states = new Emitter<RegistryState>();
  readonly #closers = new CloseStack();
  readonly #own: OwnEntries;
  #state: RegistryState = 'connecting';
  #trouble: string | undefined;
  #ready: Promise<void> | undefined;
  #lease: Promise<Lease> | undefined;

  constructor(url: string, directory: string, options: LocalOptions) {
    this.url = url;
    this.#files = new LocalFiles(directory);
    this.#options = options;
    this.#own = new OwnEntries(this.#files, { ...options, pollMs: options.ttlMs / 3 });
    this.#closers.defer(() => this.#own.close());
  }

  get ttlMs(): number {
    return this.#options.ttlMs;
  }

  get state(): RegistryState {
    return this.#state;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  readonly onState: Event<RegistryState> = this.#states.event;

  async register(instance: Instance, { signal }: OperationOptions = {}): Promise<LocalRegistration> {
    await this.#prepared();
    const lease = await this.#openLease();
    await lease.restore();
    signal?.throwIfAborted();
    const registration = new LocalRegistration(this.#files, this.#options.hostTime, lease.id, instance, () =>
      this.#own.remove(registration),
    );
    try {
      await registration.write();
      await this.#own.add(registration);
      signal?.throwIfAborted();
      return registration;
    } catch (error) {
      await registration.close();
      throw error;
    }
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    await this.#prepared();
    const { clock, pollMs, hostTime } = this.#options;
    const listing = new ServiceListing(service, this.#files, hostTime);
    const link = linkedAbort(signal);
    const release = this.#closers.defer(() => link.abort(undefined));
    const changes = new Doorbell();
    const stop = watchDirectory(this.#files.serviceDir(service), () => changes.ring(), { clock, pollMs });
    try {
      while (!link.signal.aborted) {
        const { snapshot, nextExpiry } = await listing.read();
        yield snapshot;
        const waitMs = Math.min(nextExpiry - hostTime.now() + 1, CONFIRM_MS);
        await changes.wait(clock, waitMs, link.signal);
      }
    } finally {
      stop();
      release();
      link.release();
    }
  }

  async services(): Promise<readonly string[]> {
    await this.#prepared();
    return (await this.#files.services()).filter(isName).sort();
  }

  async ping(): Promise<void> {
    await this.#prepared();
  }

  async close(): Promise<void> {
    await this.#closers.close();
    this.#move('closed');
  }

  #prepared(): Promise<void> {
    if (this.#closers.closed) throw new PilotfishError('CLOSED', 'the registry was closed');
    this.#ready ??= this.#files.prepare().then(
      () => this.#move('connected'),
      (error: unknown) => {
        this.#ready = undefined;
        this.#trouble = messageOf(error);
        if (isPilotfishError(error)) throw error;
        throw new PilotfishError('UNAVAILABLE', `cannot use ${this.url}: ${messageOf(error)}`, {
          cause: error,
        });
      },
    );
    return this.#ready;
  }

  /** One that could not be written is tried again by whoever registers next. */
  #openLease(): Promise<Lease> {
    this.#lease ??= this.#startLease().catch((error: unknown) => {
      this.#lease = undefined;
      throw new PilotfishError('UNAVAILABLE', `cannot use ${this.url}: ${messageOf(error)}`, {
        cause: error,
      });
    });
    return this.#lease;
  }

  async #startLease(): Promise<Lease> {
    const { ttlMs, clock, hostTime, logger } = this.#options;
    await this.#sweep();
    const lease = await Lease.open({ files: this.#files, ttlMs, clock, hostTime, logger });
    this.#closers.defer(() => lease.close());
    lease.onBeat((beat) => this.#beat(beat));
    return lease;
  }

  /** An entry whose lease ends is listed no more, whatever its file says. */
  #beat(beat: Beat): void {
    if (beat.type === 'expired') {
      this.#move('expired', 'the lease could not be renewed in time');
      this.#own.expired();
    }
    if (beat.type === 'missed') this.#move('suspended', beat.cause);
    else this.#move('connected');
  }

  /** Removes what processes of the past left: leases that ended, and the entries that name them. */
  async #sweep(): Promise<void> {
    const living = new Set<string>();
    for (const lease of await this.#files.leases()) {
      if (await this.#isLiving(lease)) living.add(lease);
      else await this.#files.removeLease(lease);
    }
    for (const service of await this.#files.services()) {
      const { entries } = await this.#files.entries(service);
      for (const { file, lease } of entries) {
        // Asked again, for who started meanwhile: a lease is written before the entries that name it.
        const isOver = !living.has(lease) && !(await this.#isLiving(lease));
        if (isOver) await this.#files.removeEntry(service, file);
      }
    }
  }

  async #isLiving(lease: string): Promise<boolean> {
    return isAlive(await this.#files.readLease(lease), this.#options.hostTime);
  }

  #move(state: RegistryState, trouble?: string): void {
    this.#trouble = trouble;
    if (this.#state === state) return;
    this.#state = state;
    this.#states.emit(state);
  }
}

/** A list is yielded again after this long without change, to confirm it. */
const CONFIRM_MS = 5_000;
