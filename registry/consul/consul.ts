/**
 * Consul as a registry: entries live at the local agent and are kept healthy by a TTL check; lists come from
 * blocking queries. See `entry.ts` for how an instance looks in Consul.
 */
import { type LinkedAbort, linkedAbort, withDeadline } from '../../runtime/abort.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import type { Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import { fieldsOf } from '../../runtime/fields.js';
import { ConnectionState } from '../connection-state.js';
import type {
  Instance,
  OperationOptions,
  Registration,
  Registry,
  RegistryState,
  Snapshot,
} from '../contract.js';
import { isName, NAME_RULE } from '../instance.js';
import { Leftovers } from '../leftovers.js';
import type { Backend, BackendContext } from '../open.js';
import { ConsulAgent } from './agent.js';
import { Catalog } from './catalog.js';
import { encodeEntry, entryId } from './entry.js';
import { ConsulHttp } from './http.js';
import { ConsulRegistration } from './registration.js';
import { withRetries } from './retry.js';
import { type ConsulSettings, parseConsulUrl } from './settings.js';
import { type Environment, openToken, type Token } from './token.js';
import { MAX_BLOCKING, Slots, type WatchParts, watchHealth } from './watch.js';

const READ_DEADLINE_MS = 5000;

/** An agent carries out what was cut off at once, or as soon as it goes on. */
const BETWEEN_LOOKS_MS = 1000;

/** How long `close` may spend on deregistering; entries that it did not reach end with their TTL. */
const CLOSE_DEADLINE_MS = 5000;

export const backend: Backend = { check: parseConsulUrl, open: (url, context) => openConsul(url, context) };

/**
 * Opens `consul://host:8500?dc=&ttl=15s&wait=55s&deregisterAfter=5m&tokenFile=&address=&tls=&ca=&cert=&key=&serverName=`. Makes no request by itself. Throws BAD_INPUT for a wrong URL or token file.
 */
export async function openConsul(
  url: string,
  context: BackendContext,
  env: Environment = process.env,
): Promise<Registry> {
  const settings = parseConsulUrl(url);
  return new ConsulRegistry(url, settings, await openToken(settings.tokenFile, env, context), context);
}

class ConsulRegistry implements Registry {
  readonly kind = 'consul';
  readonly url: string;
  readonly #settings: ConsulSettings;
  readonly #context: BackendContext;
  readonly #connection = new ConnectionState(judgeFailure);
  readonly #http: ConsulHttp;
  readonly #agent: ConsulAgent;
  readonly #catalog: Catalog;
  readonly #leftovers: Leftovers;
  readonly #registrations = new Set<ConsulRegistration>();
  readonly #running = new Set<LinkedAbort>();
  readonly #watchParts: WatchParts;
  #closing: Promise<void> | undefined;

  constructor(url: string, settings: ConsulSettings, token: Token, context: BackendContext) {
    const { clock, random } = context;
    const state = this.#connection;
    this.url = url;
    this.#settings = settings;
    this.#context = context;
    this.#http = new ConsulHttp({ settings, token, clock, state });
    this.#agent = new ConsulAgent({ settings, token, clock, state, http: this.#http });
    this.#catalog = new Catalog(this.#http, clock, settings.ttlMs);
    this.#leftovers = new Leftovers(context);
    const blocking = new Slots(MAX_BLOCKING);
    this.#watchParts = { http: this.#http, clock, random, settings, blocking, memories: new Map() };
  }

  get ttlMs(): number {
    return this.#settings.ttlMs;
  }

  get state(): RegistryState {
    return this.#connection.current;
  }

  get trouble(): string | undefined {
    return this.#connection.trouble;
  }

  readonly onState: Event<RegistryState> = this.#connection.onChange;

  async register(instance: Instance, { signal }: OperationOptions = {}): Promise<Registration> {
    this.#assertOpen();
    const { ttlMs } = this.#settings;
    const onClosed = (): void => void this.#registrations.delete(registration);
    const parts = { ...this.#context, agent: this.#agent, catalog: this.#catalog, ttlMs, onClosed };
    const registration = new ConsulRegistration(parts, instance);
    // What Consul cannot hold is refused before anything is written.
    encodeEntry(instance, registration.owner);
    await this.#leftovers.stop(registration.entryId);
    return this.#start(registration, signal);
  }

  leftovers({ service, id }: Instance): Promise<void> | undefined {
    return this.#leftovers.of(entryId(service, id));
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot, void> {
    this.#assertOpen();
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    const link = this.#linkTo(signal);
    try {
      yield* watchHealth(this.#watchParts, service, link.signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      link.release();
    }
  }

  async services(options: OperationOptions = {}): Promise<readonly string[]> {
    const json = await this.#read('/v1/catalog/services', options);
    return Object.keys(fieldsOf(json))
      .filter((name) => isName(name) && name !== 'consul')
      .sort();
  }

  async ping(options: OperationOptions = {}): Promise<void> {
    const leader = await this.#read('/v1/status/leader', options);
    if (typeof leader === 'string' && leader !== '') return;
    throw new PilotfishError('UNAVAILABLE', 'expected a leader, got none, at /v1/status/leader');
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(registration: ConsulRegistration, signal: AbortSignal | undefined): Promise<Registration> {
    const link = this.#linkTo(signal);
    this.#registrations.add(registration);
    try {
      await registration.start(link.signal);
      return registration;
    } catch (error) {
      this.#registrations.delete(registration);
      this.#leave(registration);
      throw error;
    } finally {
      link.release();
    }
  }

  #leave({ entryId, owner }: ConsulRegistration): void {
    const { clock, logger } = this.#context;
    const { ttlMs, deregisterAfterMs } = this.#settings;
    const reapedAt = clock.now() + ttlMs + deregisterAfterMs;
    this.#leftovers.remove({
      entry: entryId,
      look: (signal) => this.#agent.deregisterOwned(entryId, owner, { signal }),
      pauseMs: BETWEEN_LOOKS_MS,
      // Consul itself has deleted by then what nobody keeps alive.
      isOver: () => clock.now() >= reapedAt,
      onUnseen: () =>
        logger.warn({ entry: entryId }, 'gave up removing an unfinished registration; Consul will'),
    });
  }

  async #read(path: string, { signal }: OperationOptions): Promise<unknown> {
    this.#assertOpen();
    const link = this.#linkTo(signal);
    const query = { dc: this.#settings.dc };
    const options = { query, deadlineMs: READ_DEADLINE_MS, signal: link.signal };
    try {
      return (await withRetries(link.signal, () => this.#http.get(path, options))).json;
    } finally {
      link.release();
    }
  }

  async #close(): Promise<void> {
    for (const { abort } of this.#running) abort(closedError());
    await Promise.all([...this.#registrations].map((one) => this.#end(one)));
    await this.#leftovers.close(CLOSE_DEADLINE_MS);
    this.#agent.close();
    await this.#http.close();
    this.#connection.close();
  }

  async #end(registration: ConsulRegistration): Promise<void> {
    const { clock, logger } = this.#context;
    const entry = registration.entryId;
    try {
      await withDeadline(clock, CLOSE_DEADLINE_MS, `closing ${entry}`, undefined, (signal) =>
        registration.close({ signal }),
      );
    } catch (error) {
      logger.warn({ entry, cause: messageOf(error) }, 'could not deregister; the entry ends with its TTL');
    }
  }

  /** Aborts with `signal` or when the registry closes. */
  #linkTo(signal: AbortSignal | undefined): LinkedAbort {
    const link = linkedAbort(signal);
    this.#running.add(link);
    const release = (): void => {
      link.release();
      this.#running.delete(link);
    };
    return { ...link, release };
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}

function closedError(): PilotfishError {
  return new PilotfishError('CLOSED', 'the registry was closed');
}

function judgeFailure(error: unknown, state: RegistryState): RegistryState {
  if (isPilotfishError(error, 'BAD_INPUT')) return 'connected';
  if (isPilotfishError(error, 'DENIED')) return 'denied';
  return state === 'connecting' ? state : 'suspended';
}
