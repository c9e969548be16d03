/**
 * The connections to one endpoint, for URLs of one origin. Each believes that it is connected to the host in the URL and
 * only the dialling differs, so the Host header, the server name in TLS and the name that a certificate must have are
 * exactly what the caller chose, without a header rewritten.
 */
import type { Duplex } from 'node:stream';
import type { buildConnector, Dispatcher, Pool } from 'undici';
import type { Endpoint } from '../../registry/contract.js';
import { deferred } from '../../runtime/deferred.js';
import { nextTurn } from '../../runtime/next-turn.js';
import type { Lane } from './request-life.js';
import type { Undici } from './undici.js';

/** A connection is made in a datacenter or not at all: enough for one lost packet, which is sent again after 1 s. */
export const CONNECT_TIMEOUT_MS = 2000;

export class EndpointPool implements Lane {
  readonly #pool: Pool;
  readonly #failures = new WeakSet<object>();
  /** undici has let go of them. */
  readonly #upgraded = new Set<Duplex>();
  readonly #onGone: () => void;
  #inFlight = 0;
  #retired = false;
  #ending: Promise<void> | undefined;
  readonly #gone = deferred<void>();

  /** @param onGone Called once, when it ends. */
  constructor(undici: Undici, origin: string, endpoint: Endpoint, options: Pool.Options, onGone: () => void) {
    const connect = this.#dialling(connector(undici, options), endpoint);
    this.#pool = new undici.Pool(origin, { ...options, connect });
    this.#onGone = onGone;
  }

  /** Resolves when it has ended and its connections are closed. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Counts a request; it ends with `leave`. A retired pool that is asked for again is in use again. */
  enter(): void {
    this.#retired = false;
    this.#inFlight++;
  }

  leave(): void {
    this.#inFlight--;
    this.#endIfIdle();
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#pool.dispatch(options, handler);
  }

  isConnectFailure(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#failures.has(error);
  }

  upgraded(socket: Duplex): void {
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
  }

  /** No new requests are meant for it: it ends as soon as none is in flight. What is in flight finishes, however long. */
  retire(): void {
    this.#retired = true;
    this.#endIfIdle();
  }

  /** Ends it now. Requests in flight fail. Resolves when its connections are closed. Idempotent. */
  destroy(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  #endIfIdle(): void {
    if (this.#canEnd()) void this.#endNextTurn();
  }

  /** The last request is still in undici's hands when it leaves. */
  async #endNextTurn(): Promise<void> {
    await nextTurn();
    if (this.#canEnd()) await this.destroy();
  }

  #canEnd(): boolean {
    return this.#retired && this.#inFlight === 0;
  }

  async #end(): Promise<void> {
    this.#onGone();
    for (const socket of this.#upgraded) socket.destroy();
    await this.#pool.destroy();
    this.#gone.resolve();
  }

  #dialling(connect: buildConnector.connector, { host, port }: Endpoint): buildConnector.connector {
    return (options, callback) =>
      connect({ ...options, hostname: host, port: `${port}` }, (...result) => {
        const [error] = result;
        if (error !== null) this.#failures.add(error);
        callback(...result);
      });
  }
}

function connector({ buildConnector }: Undici, options: Pool.Options): buildConnector.connector {
  const {
    connect,
    connectTimeout = CONNECT_TIMEOUT_MS,
    maxCachedSessions,
    allowH2,
    autoSelectFamily,
  } = options;
  if (typeof connect === 'function') return connect;
  return buildConnector({
    timeout: connectTimeout,
    ...(maxCachedSessions !== undefined && { maxCachedSessions }),
    ...(allowH2 !== undefined && { allowH2 }),
    ...(autoSelectFamily !== undefined && { autoSelectFamily }),
    ...connect,
  } as buildConnector.BuildOptions);
}
