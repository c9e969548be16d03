/**
 * A ZooKeeper session over a chain of connections. It finds a server, resumes by id and password, keeps the session
 * alive, matches replies to requests, and says how it stands. A request settles exactly once: by its reply, or when the
 * connection or the session it was sent on ends.
 */
import { linkedAbort, withDeadline } from '../../../runtime/abort.js';
import { backoffMs } from '../../../runtime/backoff.js';
import { sleep } from '../../../runtime/clock.js';
import { deferred } from '../../../runtime/deferred.js';
import { messageOf } from '../../../runtime/errors.js';
import { Emitter, type Event } from '../../../runtime/events.js';
import { formatHostPort } from '../../../runtime/host-port.js';
import {
  isOver,
  type ZkAddress,
  type ZkConnectOptions,
  ZkError,
  type ZkErrorCode,
  type ZkState,
} from '../driver.js';
import { DialError, WireConnection } from './connection.js';
import { judge } from './heartbeat.js';
import { JuteError, JuteReader, JuteWriter } from './jute.js';
import {
  type ConnectReply,
  errorCodeOf,
  OP,
  type ReplyHeader,
  readReplyHeader,
  readWatchEvent,
  sessionName,
  XID,
} from './records.js';
import { Watches, writeSetWatches } from './watches.js';

/** ZooKeeper's default `jute.maxbuffer`: a server closes the connection on a larger request. */
export const MAX_REQUEST_BYTES = 2 ** 20 - 1;
/** Well below that, whatever is around the paths. */
const WATCH_PACKET_BYTES = 128 * 1024;
const RECONNECT_BASE_MS = 100;
const RECONNECT_CAP_MS = 15_000;
const SHORTEST_ATTEMPT_MS = 500;
const CLOSE_LIMIT_MS = 1_000;
const PASSWORD_BYTES = 16;
const NO_SESSION: Pick<ConnectReply, 'sessionId' | 'password'> = {
  sessionId: 0n,
  password: Buffer.alloc(PASSWORD_BYTES),
};
const MAX_XID = 2 ** 31 - 1;

export interface WireRequest<T> {
  readonly operation: number;
  /** For messages. */
  readonly name: string;
  readonly path: string;
  readonly write: (writer: JuteWriter) => void;
  readonly read: (reader: JuteReader) => T;
  /** Called in the order of the replies, before anything that came later is handled. */
  readonly onReply?: (error: ZkErrorCode | undefined) => void;
}

interface Pending {
  readonly xid: number;
  readonly reply: (error: number, reader: JuteReader) => void;
  readonly fail: (code: ZkErrorCode, detail: string) => void;
}

export class WireSession {
  readonly watches: Watches = new Watches();
  readonly #options: ZkConnectOptions;
  readonly #states = new Emitter<ZkState>();
  readonly #stop = linkedAbort();
  readonly #ended: Promise<void>;
  #state: ZkState = 'connecting';
  #session = NO_SESSION;
  #timeoutMs: number;
  #lastZxid = 0;
  #xid = 0;
  #pending: Pending[] = [];
  #connection: WireConnection | undefined;
  #sentAt = 0;
  #receivedAt = 0;
  #pings = 0;
  /** Since when every server that answers has refused to resume the session. */
  #refusedSince: number | undefined;

  /** Starts to connect at once. */
  constructor(options: ZkConnectOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs;
    this.#ended = this.#run();
  }

  get id(): string | undefined {
    return this.#session === NO_SESSION ? undefined : sessionName(this.#session.sessionId);
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get state(): ZkState {
    return this.#state;
  }

  readonly onState: Event<ZkState> = this.#states.event;

  /** Requests without a reply yet. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Sends a request and resolves with its reply. Rejects with a ZkError. */
  request<T>(request: WireRequest<T>): Promise<T> {
    const { name, path } = request;
    if (isOver(this.#state)) return Promise.reject(new ZkError('SESSION_OVER', name, path, this.#state));
    if (this.#state !== 'connected')
      return Promise.reject(new ZkError('CONNECTION_LOSS', name, path, this.#state));
    this.#xid = this.#xid === MAX_XID ? 1 : this.#xid + 1;
    const xid = this.#xid;
    const writer = new JuteWriter().int(xid).int(request.operation);
    request.write(writer);
    if (writer.length > MAX_REQUEST_BYTES) {
      const detail = `expected a request of at most ${MAX_REQUEST_BYTES} bytes, got ${writer.length}`;
      return Promise.reject(new ZkError('TOO_LARGE', name, path, detail));
    }
    const result = deferred<T>();
    this.#pending.push(pendingOf(xid, request, result.resolve, result.reject));
    this.#send(writer);
    return result.promise;
  }

  /** Ends the session on the server, if it can be reached, and everything here. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'connected') await this.#sayGoodbye().catch(() => {});
    this.#over('closed');
    await this.#ended;
  }

  #sayGoodbye(): Promise<void> {
    const goodbye = { operation: OP.closeSession, name: 'close', path: '', write: () => {}, read: () => {} };
    const { clock } = this.#options;
    return withDeadline(clock, CLOSE_LIMIT_MS, 'closing the session', undefined, () =>
      this.request<void>(goodbye),
    );
  }

  /** One connection after the other until the session is over. */
  async #run(): Promise<void> {
    const { clock, random, refresh } = this.#options;
    const { signal } = this.#stop;
    let addresses = this.#options.addresses;
    for (let failures = 0; !signal.aborted; ) {
      const found = await this.#findServer(addresses);
      if (found !== undefined) {
        failures = 0;
        await this.#serve(found);
      } else if (!signal.aborted) {
        const limits = { baseMs: RECONNECT_BASE_MS, capMs: Math.min(RECONNECT_CAP_MS, this.#timeoutMs / 2) };
        await sleep(clock, backoffMs(failures++, limits, random), signal).catch(() => {});
      }
      if (!signal.aborted) addresses = await refresh();
    }
  }

  /** Tries every address once. Undefined when none of them took the session. */
  async #findServer(addresses: readonly ZkAddress[]): Promise<WireConnection | undefined> {
    let refusals = 0;
    for (const address of addresses) {
      if (this.#stop.signal.aborted) return undefined;
      try {
        return await this.#resume(address, addresses.length);
      } catch (error) {
        if (error instanceof DialError && error.stage === 'handshake') refusals++;
        const fields = { server: formatHostPort(address), cause: messageOf(error) };
        this.#options.logger.debug(fields, 'could not connect to a zookeeper server');
      }
    }
    if (refusals > 0) await this.#doubt(addresses);
    return undefined;
  }

  async #resume(address: ZkAddress, among: number): Promise<WireConnection> {
    const { timeoutMs } = this.#options;
    const request = { ...this.#session, lastZxid: this.#lastZxid, timeoutMs };
    const { connection, reply } = await this.#dial(address, among, request);
    if (reply.timeoutMs <= 0) {
      connection.destroy();
      this.#over('expired');
    } else if (reply.readOnly) {
      connection.destroy();
      throw new DialError('connect', new Error('the server is read only'));
    } else this.#accept(reply);
    return connection;
  }

  #dial(
    address: ZkAddress,
    among: number,
    request: Parameters<typeof WireConnection.open>[2],
  ): ReturnType<typeof WireConnection.open> {
    const { clock, security } = this.#options;
    const limitMs = Math.max(SHORTEST_ATTEMPT_MS, this.#timeoutMs / among);
    const what = `connecting to ${formatHostPort(address)}`;
    return withDeadline(clock, limitMs, what, this.#stop.signal, (signal) =>
      WireConnection.open(address, security, request, signal),
    );
  }

  #accept({ sessionId, password, timeoutMs }: ConnectReply): void {
    this.#session = { sessionId, password };
    this.#timeoutMs = timeoutMs;
    this.#refusedSince = undefined;
  }

  /**
   * Servers that refuse to resume may merely lack a quorum, and then the session is still good. When they have refused
   * for as long as the session lasts, and one of them gives a new session away, they serve but do not know this one:
   * their data was wiped or restored.
   */
  async #doubt(addresses: readonly ZkAddress[]): Promise<void> {
    const { clock, logger, timeoutMs } = this.#options;
    this.#refusedSince ??= clock.now();
    if (this.#session === NO_SESSION || clock.now() - this.#refusedSince < this.#timeoutMs) return;
    for (const address of addresses) {
      const probe = { ...NO_SESSION, lastZxid: 0, timeoutMs };
      const answer = await this.#dial(address, addresses.length, probe).catch(() => undefined);
      if (answer === undefined) continue;
      answer.connection.send(new JuteWriter().int(1).int(OP.closeSession).frame());
      answer.connection.destroy();
      const fields = { server: formatHostPort(address), session: this.id };
      logger.error(fields, 'zookeeper serves, but refuses our session: its data was wiped or restored');
      return this.#over('expired');
    }
  }

  /** Resolves when the connection has ended. */
  async #serve(connection: WireConnection): Promise<void> {
    if (isOver(this.#state)) return connection.destroy();
    const { clock, logger } = this.#options;
    this.#connection = connection;
    this.#receivedAt = this.#sentAt = clock.now();
    this.#pings = 0;
    connection.handle({
      activity: () => {
        this.#receivedAt = clock.now();
      },
      frame: (frame) => this.#received(frame),
      oversized: (head, bytes) => this.#oversized(head, bytes),
    });
    await this.#authenticate();
    this.#restoreWatches();
    this.#move('connected');
    const stopBeating = this.#beat();
    const reason = await connection.ended;
    stopBeating();
    this.#connection = undefined;
    logger.debug({ cause: messageOf(reason) }, 'the connection to zookeeper ended');
    if (!isOver(this.#state)) this.#move('suspended');
    this.#failPending('CONNECTION_LOSS', `${messageOf(reason)}; whether it took effect is unknown`);
  }

  /** Goes out before any request, and the server handles it before any. */
  async #authenticate(): Promise<void> {
    const secret = await this.#options.security.digest?.();
    if (secret === undefined) return;
    this.#send(new JuteWriter().int(XID.auth).int(OP.auth).int(0).text('digest').bytes(Buffer.from(secret)));
  }

  #restoreWatches(): void {
    for (const packet of this.watches.packets(WATCH_PACKET_BYTES)) {
      const operation = packet.trees.length > 0 ? OP.setWatches2 : OP.setWatches;
      const writer = new JuteWriter().int(XID.setWatches).int(operation);
      writeSetWatches(writer, this.#lastZxid, packet);
      this.#send(writer);
    }
  }

  #send(writer: JuteWriter): void {
    this.#sentAt = this.#options.clock.now();
    this.#connection?.send(writer.frame());
  }

  /** Throws what ends the connection: a frame that makes no sense. */
  #received(frame: Buffer): void {
    const reader = new JuteReader(frame);
    const header = readReplyHeader(reader);
    if (header.zxid > this.#lastZxid) this.#lastZxid = header.zxid;
    if (header.xid === XID.notification) this.watches.fire(readWatchEvent(reader));
    else if (header.xid === XID.ping) this.#pinged();
    else if (header.xid === XID.auth) this.#authenticated(header);
    else if (header.xid === XID.setWatches) this.#watchesRestored(header);
    else this.#next(header.xid).reply(header.error, reader);
  }

  #oversized(head: Buffer, bytes: number): void {
    const { xid } = readReplyHeader(new JuteReader(head));
    this.#next(xid).fail('TOO_LARGE', `the reply of ${bytes} bytes is larger than is accepted`);
  }

  /** Replies come in the order of the requests. */
  #next(xid: number): Pending {
    const pending = this.#pending.shift();
    if (pending?.xid === xid) return pending;
    if (pending !== undefined) this.#pending.unshift(pending);
    throw new JuteError(`the reply to request ${pending?.xid ?? 'none'}`, `one to ${xid}`);
  }

  #authenticated({ error }: ReplyHeader): void {
    if (error !== 0) this.#over('denied');
  }

  #watchesRestored({ error }: ReplyHeader): void {
    if (error !== 0) throw new JuteError('watches to be restored', `error ${error}`);
  }

  #pinged(): void {
    this.#pings = Math.max(0, this.#pings - 1);
    // The answer to the newest ping: whatever was in doubt is true.
    if (this.#pings === 0 && this.#connection !== undefined) this.#move('connected');
  }

  #ping(): void {
    this.#pings++;
    this.#send(new JuteWriter().int(XID.ping).int(OP.ping));
  }

  /** Pings, hangs up and verifies as the heartbeat's rules say. Returns what ends that. */
  #beat(): () => void {
    const { clock } = this.#options;
    let dueAt = clock.now();
    let cancel: () => void = () => {};
    const look = (): void => {
      const traffic = { lastSentAt: this.#sentAt, lastReceivedAt: this.#receivedAt, pinged: this.#pings > 0 };
      const verdict = judge({ ...traffic, timeoutMs: this.#timeoutMs, dueAt }, clock.now());
      if (verdict.do === 'hang up') this.#connection?.destroy(new Error('the server is silent'));
      if (verdict.do === 'verify') this.#verify();
      if (verdict.do === 'ping') this.#ping();
      dueAt = verdict.do === 'wait' ? verdict.untilMs : clock.now();
      cancel = clock.after(dueAt - clock.now(), look);
    };
    look();
    return () => cancel();
  }

  /** Nothing is known until the server has answered once more; replies from before the pause may still be waiting. */
  #verify(): void {
    this.#options.logger.warn(
      {},
      'this process stood still, asking zookeeper whether the session is still there',
    );
    this.#receivedAt = this.#options.clock.now();
    this.#move('suspended');
    this.#ping();
  }

  #over(state: 'expired' | 'denied' | 'closed'): void {
    if (isOver(this.#state)) return;
    this.#move(state);
    this.#stop.abort(new ZkError('SESSION_OVER', 'session', '', state));
    this.#connection?.destroy();
    this.#failPending('SESSION_OVER', state);
  }

  #failPending(code: ZkErrorCode, detail: string): void {
    const failed = this.#pending;
    this.#pending = [];
    for (const { fail } of failed) fail(code, detail);
  }

  #move(state: ZkState): void {
    if (isOver(this.#state) || this.#state === state) return;
    this.#state = state;
    this.#states.emit(state);
  }
}

function pendingOf<T>(
  xid: number,
  { name, path, read, onReply }: WireRequest<T>,
  resolve: (value: T) => void,
  reject: (error: ZkError) => void,
): Pending {
  const fail = (code: ZkErrorCode, detail: string): void => {
    onReply?.(code);
    reject(new ZkError(code, name, path, detail));
  };
  return {
    xid,
    fail,
    reply(error, reader) {
      if (error !== 0) return fail(errorCodeOf(error), `${errorCodeOf(error)} (${error})`);
      try {
        const value = read(reader);
        onReply?.(undefined);
        resolve(value);
      } catch (broken) {
        fail('CONNECTION_LOSS', messageOf(broken));
        throw broken;
      }
    },
  };
}
