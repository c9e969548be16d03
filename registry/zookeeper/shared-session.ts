/**
 * One ZooKeeper session per process and ensemble, whoever asks for it. A session that expired is replaced by a new one
 * at once; whoever had something in the old one is told by its state and starts anew in the next.
 */
import { abortable, withDeadline } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { deferred } from '../../runtime/deferred.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { formatHostPort, type HostPort } from '../../runtime/host-port.js';
import type { BackendContext } from '../open.js';
import { Addresses } from './addresses.js';
import { Claims } from './claims.js';
import {
  isOver,
  type ZkAddress,
  type ZkConnect,
  type ZkSecurity,
  type ZkSession,
  type ZkState,
} from './driver.js';

/** A new session after an expiry waits up to half a second, as each registration does again: a fleet spreads. */
const AFTER_EXPIRY = { baseMs: 500, capMs: 500 };
/** After a refusal of our credentials, or when no name resolves, there is no hurry. */
const AFTER_REFUSAL_MS = 10_000;
const UNRESOLVED = { baseMs: 200, capMs: 5_000 };

export interface SharedSessionOptions extends BackendContext {
  readonly hosts: readonly HostPort[];
  readonly timeoutMs: number;
  readonly security: ZkSecurity;
  readonly connect: ZkConnect;
  /** Sessions are shared only between registries with the same one: it names driver and credentials. */
  readonly shareKey: string;
}

const shared = new Map<string, { readonly session: SharedSession; users: number }>();

/** The session of this process for these hosts, made when there is none. `release` it when no longer needed. */
export function acquireSession(options: SharedSessionOptions): {
  session: SharedSession;
  release: () => Promise<void>;
} {
  const key = [...options.hosts.map(formatHostPort).sort(), options.timeoutMs, options.shareKey].join(',');
  const entry = shared.get(key) ?? { session: new SharedSession(options), users: 0 };
  shared.set(key, entry);
  entry.users++;
  let released = false;
  const release = async (): Promise<void> => {
    if (released) return;
    released = true;
    if (--entry.users > 0) return;
    shared.delete(key);
    await entry.session.close();
  };
  return { session: entry.session, release };
}

export class SharedSession {
  readonly #options: SharedSessionOptions;
  readonly #states = new Emitter<ZkState>();
  readonly #stop = new AbortController();
  readonly #addresses: Addresses;
  /** Of what is written in it. */
  readonly claims = new Claims();
  #state: ZkState = 'connecting';
  #current: ZkSession | undefined;
  #waiting = deferred<void>();
  #refused: string | undefined;
  /** How the session before ended. */
  #ended: string | undefined;
  #timeoutMs: number | undefined;
  #cancelNext: () => void = () => {};

  constructor(options: SharedSessionOptions) {
    this.#options = options;
    this.#addresses = new Addresses(options);
    void this.#open(0);
  }

  get state(): ZkState {
    return this.#state;
  }

  /** As negotiated for the present session, or the one before while there is none; undefined before the first. */
  get timeoutMs(): number | undefined {
    return this.#timeoutMs;
  }

  readonly onState: Event<ZkState> = this.#states.event;

  /** As of `RegistryReader.trouble`. */
  get trouble(): string | undefined {
    if (this.#state === 'connected') return undefined;
    return this.#refused ?? this.#current?.trouble ?? this.#ended;
  }

  /** The connected session; waits for it up to `limitMs`, then rejects UNAVAILABLE, or DENIED, saying why. */
  async connected(limitMs: number, signal?: AbortSignal): Promise<ZkSession> {
    try {
      return await withDeadline(this.#options.clock, limitMs, 'connecting', signal, (limited) =>
        this.#wait(limited),
      );
    } catch (error) {
      throw isPilotfishError(error, 'TIMEOUT') ? this.#unavailable() : error;
    }
  }

  async #wait(signal: AbortSignal): Promise<ZkSession> {
    for (;;) {
      if (this.#stop.signal.aborted) throw new PilotfishError('CLOSED', 'the registry was closed');
      if (this.#state === 'connected' && this.#current !== undefined) return this.#current;
      if (this.#state === 'denied') throw this.#unavailable();
      await abortable(this.#waiting.promise, signal);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelNext();
    await this.#current?.close();
    this.#move('closed');
  }

  #unavailable(): PilotfishError {
    const hosts = this.#options.hosts.map(formatHostPort).join(',');
    const why = this.trouble === undefined ? '' : `: ${this.trouble}`;
    return new PilotfishError(
      this.#state === 'denied' ? 'DENIED' : 'UNAVAILABLE',
      `no session with zookeeper at ${hosts} (${this.#state})${why}`,
    );
  }

  /** Resolves the names, opens a session and follows it until it is over. */
  async #open(attempt: number): Promise<void> {
    try {
      const addresses = await this.#addresses.current();
      if (this.#stop.signal.aborted) return;
      this.#refused = undefined;
      const refresh = (): Promise<readonly ZkAddress[]> => this.#addresses.current();
      this.#follow(this.#options.connect({ ...this.#options, addresses, refresh }));
    } catch (error) {
      this.#refused = messageOf(error);
      this.#later(backoffMs(attempt, UNRESOLVED, this.#options.random), attempt + 1);
    }
  }

  #follow(session: ZkSession): void {
    this.#current = session;
    session.onState((state) => {
      if (this.#current !== session || this.#stop.signal.aborted) return;
      if (state === 'connected') this.#timeoutMs = session.timeoutMs;
      this.#ended = session.trouble;
      this.#move(state);
      if (isOver(state)) this.#replace(state);
    });
  }

  #replace(state: ZkState): void {
    const { logger, random } = this.#options;
    this.#current = undefined;
    logger.warn({ state }, 'the zookeeper session is over, opening another');
    this.#later(state === 'denied' ? AFTER_REFUSAL_MS : backoffMs(0, AFTER_EXPIRY, random), 0);
  }

  #later(ms: number, attempt: number): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelNext = this.#options.clock.after(ms, () => this.#open(attempt));
  }

  #move(state: ZkState): void {
    if (this.#state === state) return;
    this.#state = state;
    const waiting = this.#waiting;
    this.#waiting = deferred<void>();
    waiting.resolve();
    this.#states.emit(state);
  }
}
