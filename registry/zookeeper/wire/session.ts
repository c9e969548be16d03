/**
 * A ZooKeeper session over a chain of connections. It finds a server, resumes by id and password, keeps the session
 * alive, tells replies from events, and says how it stands. A request settles exactly once: by its reply, when the
 * connection or the session it was sent on ends, or when whoever asked gives it up.
 */
import { linkedAbort, withDeadline } from '../../../runtime/abort.js';
import { backoffMs } from '../../../runtime/backoff.js';
import { sleep } from '../../../runtime/clock.js';
import { messageOf } from '../../../runtime/errors.js';
import { Emitter, type Event } from '../../../runtime/events.js';
import { formatHostPort } from '../../../runtime/host-port.js';
import { shuffled } from '../../../runtime/random.js';
import { isOver, type ZkAddress, type ZkConnectOptions, ZkError, type ZkState } from '../driver.js';
import { DialError, WireConnection } from './connection.js';
import { JuteError, JuteReader, JuteWriter } from './jute.js';
import { Pulse } from './pulse.js';
import {
  type ConnectReply,
  OP,
  type ReplyHeader,
  readReplyHeader,
  readWatchEvent,
  sessionName,
  XID,
} from './records.js';
import { Requests, type WireRequest } from './requests.js';
import { Watches, writeSetWatches } from './watches.js';

/** Well below the largest request, whatever is around the paths. */
const WATCH_PACKET_BYTES = 128 * 1024;
const RECONNECT_BASE_MS = 100;
const RECONNECT_CAP_MS = 15_000;
/** A connection that ends sooner counts as a failed attempt, or a server that hangs up at once would be run at. */
const PROVEN_AFTER_MS = 1_000;
const SHORTEST_ATTEMPT_MS = 500;
/** A server that is just starting may accept a connection and forget it, so no attempt takes the whole session. */
const ATTEMPTS_PER_SESSION = 3;
/** The addresses of before are good enough when the new ones take longer than this, or a tenth of the session. */
const REFRESH_LIMIT_MS = 1_000;
const CLOSE_LIMIT_MS = 1_000;
/** An outage that takes one form after another is told no more often than this. */
const TOLD_EVERY_MS = 5_000;
const PASSWORD_BYTES = 16;
const NO_SESSION: Pick<ConnectReply, 'sessionId' | 'password'> = {
  sessionId: 0n,
  password: Buffer.alloc(PASSWORD_BYTES),
};

export class WireSession {
  readonly watches: Watches = new Watches();
  readonly #options: ZkConnectOptions;
  readonly #states = new Emitter<ZkState>();
  readonly #stop = linkedAbort();
  readonly #requests = new Requests();
  readonly #ended: Promise<void>;
  #state: ZkState = 'connecting';
  #session = NO_SESSION;
  #timeoutMs: number;
  /** The one that last took the session. */
  #server: ZkAddress | undefined;
  #lastZxid = 0;
  #connection: WireConnection | undefined;
  #pulse: Pulse | undefined;
  #trouble: string | undefined;
  /** What the log says of the present outage. */
  #told: { readonly trouble: string; readonly at: number } | undefined;
  /** Since when every server that answers has refused to resume the session. */
  #refusedSince: number | undefined;
  #closing: Promise<void> | undefined;

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

  /** Why it is not connected, as last heard of; undefined while it is. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Requests without a reply yet. */
  get pending(): number {
    return this.#requests.size;
  }

  /** Sends a request and resolves with its reply. Rejects with a ZkError, or with the reason of the request's signal. */
  request<T>(request: WireRequest<T>): Promise<T> {
    if (this.#state === 'connected') return this.#ask(request);
    const code = isOver(this.#state) ? 'SESSION_OVER' : 'CONNECTION_LOSS';
    return Promise.reject(new ZkError(code, request.name, request.path, this.#state));
  }

  /** Ends the session on the server, if it can be reached, and everything here. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#connection !== undefined) await this.#sayGoodbye().catch(() => {});
    this.#over('closed');
    await this.#ended;
  }

  #sayGoodbye(): Promise<void> {
    const goodbye = { operation: OP.closeSession, name: 'close', path: '', write: () => {}, read: () => {} };
    const { clock } = this.#options;
    return withDeadline(clock, CLOSE_LIMIT_MS, 'closing the session', undefined, () =>
      this.#ask<void>(goodbye),
    );
  }

  #ask<T>(request: WireRequest<T>): Promise<T> {
    return this.#requests.ask(request, this.#options.clock.now(), (writer) => this.#send(writer));
  }

  /** One connection after the other until the session is over. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let addresses = this.#options.addresses;
    for (let failures = 0; !signal.aborted; ) {
      const connection = await this.#findServer(addresses);
      const proven = connection !== undefined && (await this.#serve(connection));
      if (proven) failures = 0;
      else await this.#rest(failures++);
      addresses = lastOf(await this.#refreshed(addresses), this.#server);
    }
  }

  async #rest(failures: number): Promise<void> {
    const { clock, random } = this.#options;
    const limits = { baseMs: RECONNECT_BASE_MS, capMs: Math.min(RECONNECT_CAP_MS, this.#timeoutMs / 2) };
    await sleep(clock, backoffMs(failures, limits, random), this.#stop.signal).catch(() => {});
  }

  /** The names are asked for again, but a session does not wait, let alone end, for the name service. */
  async #refreshed(known: readonly ZkAddress[]): Promise<readonly ZkAddress[]> {
    const { clock, random, refresh } = this.#options;
    const { signal } = this.#stop;
    if (signal.aborted) return known;
    const limitMs = Math.min(REFRESH_LIMIT_MS, this.#timeoutMs / 10);
    return withDeadline(clock, limitMs, 'resolving names', signal, refresh).catch(() =>
      shuffled(known, random),
    );
  }

  /** Tries every address once. Undefined when none of them took the session. */
  async #findServer(addresses: readonly ZkAddress[]): Promise<WireConnection | undefined> {
    const causes = new Set<string>();
    let refusals = 0;
    for (const address of addresses) {
      if (this.#stop.signal.aborted) return undefined;
      try {
        return await this.#resume(address, addresses.length);
      } catch (error) {
        if (isRefusal(error)) refusals++;
        causes.add(`${messageOf(error)} (${formatHostPort(address)})`);
      }
    }
    if (this.#stop.signal.aborted) return undefined;
    this.#failed([...causes].sort().join('; ') || 'no address of a server is known');
    return refusals > 0 ? this.#doubt(addresses) : undefined;
  }

  /** An outage is told once, and again when it becomes another one: servers that go one by one fill no log. */
  #failed(trouble: string): void {
    const { clock, logger } = this.#options;
    const now = clock.now();
    this.#trouble = trouble;
    if (this.#told !== undefined && (this.#told.trouble === trouble || now < this.#told.at + TOLD_EVERY_MS))
      return;
    this.#told = { trouble, at: now };
    logger.warn({ trouble }, 'no zookeeper server takes the session, trying on');
  }

  /** Resumes the session on this server, or begins it. Rejects when it does not take it. */
  async #resume(address: ZkAddress, among: number): Promise<WireConnection> {
    const { timeoutMs, security } = this.#options;
    const secret = await security.digest?.();
    const request = { ...this.#session, lastZxid: this.#lastZxid, timeoutMs };
    const { connection, reply } = await this.#dial(address, among, request);
    try {
      this.#accept(reply);
      this.#server = address;
    } catch (error) {
      connection.destroy();
      throw error;
    }
    // Goes out before any request, and the server handles it before any.
    if (secret !== undefined) connection.send(authentication(secret).frame());
    return connection;
  }

  async #dial(
    address: ZkAddress,
    among: number,
    request: Parameters<typeof WireConnection.open>[2],
  ): ReturnType<typeof WireConnection.open> {
    const { clock, security } = this.#options;
    const share = this.#timeoutMs / Math.max(among, ATTEMPTS_PER_SESSION);
    const limitMs = Math.max(SHORTEST_ATTEMPT_MS, share);
    const what = `connecting to ${formatHostPort(address)}`;
    let opening: ReturnType<typeof WireConnection.open> | undefined;
    try {
      return await withDeadline(clock, limitMs, what, this.#stop.signal, (signal) => {
        opening = WireConnection.open(address, security, request, signal);
        return opening;
      });
    } catch (error) {
      // It may have succeeded in the very moment in which it was given up.
      opening?.then(
        ({ connection }) => connection.destroy(),
        () => {},
      );
      throw error;
    }
  }

  #accept({ sessionId, password, timeoutMs, readOnly }: ConnectReply): void {
    const resumed = this.#session !== NO_SESSION;
    if (timeoutMs <= 0) {
      this.#over('expired', 'the session is expired');
      throw new DialError('handshake', 'the session is expired');
    }
    if (readOnly) throw new DialError('connect', 'the server is read only');
    if (resumed && sessionId !== this.#session.sessionId) {
      throw new DialError('handshake', 'the server resumed another session than ours');
    }
    this.#session = { sessionId, password };
    this.#timeoutMs = timeoutMs;
    this.#refusedSince = undefined;
    this.#trouble = undefined;
    this.#told = undefined;
  }

  /**
   * Servers that refuse to resume may merely lack a quorum, and then the session is still good. When they have refused
   * for as long as the session lasts, and one of them gives a new session away but still not ours back, they serve and
   * do not know it: their data was wiped or restored.
   */
  async #doubt(addresses: readonly ZkAddress[]): Promise<WireConnection | undefined> {
    const { clock, logger } = this.#options;
    this.#refusedSince ??= clock.now();
    if (this.#session === NO_SESSION || clock.now() - this.#refusedSince < this.#timeoutMs) return undefined;
    for (const address of addresses) {
      if (!(await this.#serves(address, addresses.length))) continue;
      try {
        return await this.#resume(address, addresses.length);
      } catch (error) {
        if (!isRefusal(error) || this.#stop.signal.aborted) continue;
        const fields = { server: formatHostPort(address), session: this.id };
        const trouble = 'zookeeper serves, but refuses our session: its data was wiped or restored';
        logger.error(fields, trouble);
        this.#over('expired', trouble);
        return undefined;
      }
    }
    return undefined;
  }

  /** Whether the server gives new sessions away. */
  async #serves(address: ZkAddress, among: number): Promise<boolean> {
    const probe = { ...NO_SESSION, lastZxid: 0, timeoutMs: this.#options.timeoutMs };
    const answer = await this.#dial(address, among, probe).catch(() => undefined);
    answer?.connection.send(new JuteWriter().int(1).int(OP.closeSession).frame());
    answer?.connection.destroy();
    return answer !== undefined && answer.reply.timeoutMs > 0;
  }

  /** Resolves when the connection has ended, with whether it lasted long enough to be called a success. */
  async #serve(connection: WireConnection): Promise<boolean> {
    if (isOver(this.#state)) {
      connection.destroy();
      return false;
    }
    const { clock, logger } = this.#options;
    const startedAt = clock.now();
    const pulse = this.#pulseOf(connection);
    this.#connection = connection;
    this.#pulse = pulse;
    this.#restoreWatches();
    this.#move('connected');
    connection.handle({
      activity: () => pulse.received(),
      frame: (frame) => this.#received(frame),
      oversized: (head, bytes) => this.#oversized(head, bytes),
    });
    const reason = messageOf(await connection.ended);
    pulse.stop();
    this.#connection = undefined;
    logger.debug({ reason }, 'the connection to zookeeper ended');
    this.#suspended(reason);
    this.#requests.failAll('CONNECTION_LOSS', `${reason}; whether it took effect is unknown`);
    return clock.now() - startedAt >= PROVEN_AFTER_MS;
  }

  #pulseOf(connection: WireConnection): Pulse {
    const { clock, logger } = this.#options;
    return new Pulse({
      clock,
      timeoutMs: this.#timeoutMs,
      oldestRequestAt: () => this.#requests.oldestSentAt,
      ping: () => this.#send(new JuteWriter().int(XID.ping).int(OP.ping)),
      hangUp: () => connection.destroy(new Error('the server does not answer')),
      doubt: () => {
        logger.warn({}, 'this process stood still, asking zookeeper whether the session is still there');
        this.#suspended(
          'this process stood still, and zookeeper has not said since that the session is there',
        );
      },
    });
  }

  #restoreWatches(): void {
    for (const packet of this.watches.packets(WATCH_PACKET_BYTES)) {
      const operation = packet.trees.length + packet.persistent.length > 0 ? OP.setWatches2 : OP.setWatches;
      const writer = new JuteWriter().int(XID.setWatches).int(operation);
      writeSetWatches(writer, this.#lastZxid, packet);
      this.#send(writer);
    }
  }

  #send(writer: JuteWriter): void {
    this.#pulse?.sent();
    this.#connection?.send(writer.frame());
  }

  /** Throws what ends the connection: a frame that makes no sense. */
  #received(frame: Buffer): void {
    const reader = new JuteReader(frame);
    const header = readReplyHeader(reader);
    if (header.xid === XID.notification) this.watches.fire(readWatchEvent(reader));
    else if (header.xid === XID.ping) this.#ponged();
    else if (header.xid === XID.auth) this.#authenticated(header);
    else if (header.xid === XID.setWatches) this.#watchesRestored(header);
    else this.#answered(header, reader);
  }

  /**
   * Only the reply to a request moves what we have seen on: after a reconnect the server repeats the events of later
   * transactions, and of a transaction with several of them perhaps not all had come.
   */
  #answered(header: ReplyHeader, reader: JuteReader): void {
    this.#requests.answered(header, reader);
    if (header.zxid > this.#lastZxid) this.#lastZxid = header.zxid;
  }

  #oversized(head: Buffer, bytes: number): void {
    const { xid } = readReplyHeader(new JuteReader(head));
    this.#requests.oversized(xid, bytes);
  }

  #authenticated({ error }: ReplyHeader): void {
    if (error === 0) return;
    this.#over('denied', 'zookeeper refused the credentials');
  }

  #watchesRestored({ error }: ReplyHeader): void {
    if (error !== 0) throw new JuteError('watches to be restored', `error ${error}`);
  }

  #ponged(): void {
    if (!this.#pulse?.ponged()) return;
    this.#trouble = undefined;
    this.#move('connected');
  }

  #suspended(trouble: string): void {
    if (isOver(this.#state)) return;
    this.#trouble = trouble;
    this.#move('suspended');
  }

  #over(state: 'expired' | 'denied' | 'closed', trouble?: string): void {
    if (isOver(this.#state)) return;
    this.#trouble = trouble;
    this.#move(state);
    this.#stop.abort(new ZkError('SESSION_OVER', 'session', '', state));
    this.#connection?.destroy();
    this.#requests.failAll('SESSION_OVER', state);
  }

  #move(state: ZkState): void {
    if (isOver(this.#state) || this.#state === state) return;
    this.#state = state;
    this.#states.emit(state);
  }
}

/**
 * The server just left is tried last. It may be frozen, and then it still takes connections: waiting for its handshake
 * would cost what is left of the session, of which two thirds went into noticing.
 */
function lastOf(addresses: readonly ZkAddress[], left: ZkAddress | undefined): readonly ZkAddress[] {
  const isLeft = ({ host, port }: ZkAddress): boolean => host === left?.host && port === left.port;
  return [...addresses.filter((each) => !isLeft(each)), ...addresses.filter(isLeft)];
}

function authentication(secret: string): JuteWriter {
  return new JuteWriter().int(XID.auth).int(OP.auth).int(0).text('digest').bytes(Buffer.from(secret));
}

function isRefusal(error: unknown): boolean {
  return error instanceof DialError && error.stage === 'handshake';
}
