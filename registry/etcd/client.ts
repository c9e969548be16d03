/**
 * Calls and streams to whichever member answers. Every call here may be made twice, so one that fails or is late goes to
 * the next member, each member once; how the outcome of an earlier try is told apart is the business of the call.
 */
import { abortable, linkedAbort, withDeadline } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { isPilotfishError, PilotfishError } from '../../runtime/errors.js';
import type { Fields } from '../../runtime/fields.js';
import { ConnectionState } from '../connection-state.js';
import type { RegistryState } from '../contract.js';
import type { BackendContext } from '../open.js';
import { headerOf } from './decode.js';
import { ClusterIdentity } from './identity.js';
import { keysBelow, toBase64 } from './keys.js';
import { Members } from './members.js';
import { Pulse } from './pulse.js';
import { isAnswer, isRefusal, mayPass } from './refusal.js';
import type { EtcdSettings } from './settings.js';
import { Slots } from './slots.js';
import { Tokens } from './token.js';
import { CALLS_AT_ONCE, type Lane, Transport } from './transport.js';

/** How long a call may take at one member, unless it says otherwise: a third of the TTL if there is another, within these. */
const MAX_TRY_MS = 5_000;
const MIN_TRY_MS = 500;
/** Between two looks for a connection. */
const RECOVERY = { baseMs: 200, capMs: 1_000 };

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long one member may take. */
  readonly tryMs?: number;
  /** Default `calls`. */
  readonly lane?: Lane;
}

export class EtcdClient {
  readonly state = new ConnectionState(judgeFailure);
  readonly identity: ClusterIdentity;
  /** How long a call may take at one member by default. */
  readonly #tryMs: number;
  readonly #context: BackendContext;
  readonly #members: Members<Transport>;
  readonly #tokens: Tokens | undefined;
  readonly #pulse: Pulse<Transport>;
  readonly #slots = new Slots(CALLS_AT_ONCE);
  readonly #closed = linkedAbort();
  readonly #question: Fields;
  #recovering = false;

  constructor(settings: EtcdSettings, context: BackendContext) {
    const { members, tls, authFile, ttlMs, prefix } = settings;
    this.#context = context;
    const soonMs = Math.max(MIN_TRY_MS, Math.min(MAX_TRY_MS, ttlMs / 3));
    this.#tryMs = members.length === 1 ? MAX_TRY_MS : soonMs;
    this.identity = new ClusterIdentity(members.length, ttlMs);
    const transports = members.map((member) => new Transport(member, tls, this.#tryMs));
    this.#members = new Members(transports, context.random);
    this.#tokens = authFile === undefined ? undefined : new Tokens(authFile, context.clock);
    this.#question = { key: toBase64(keysBelow(prefix).from), limit: 1, keys_only: true };
    const question = { ...this.#question, serializable: true };
    this.#pulse = new Pulse(context.clock, soonMs, (member, signal) =>
      this.#ask(member, 'kv/range', question, { lane: 'beats', tryMs: soonMs, signal }).catch(
        (error: unknown) => {
          if (!signal.aborted) this.#members.leave(member);
          throw error;
        },
      ),
    );
  }

  get size(): number {
    return this.#members.all.length;
  }

  /** The answer. Rejects an EtcdRefusal, UNAVAILABLE, DENIED, TIMEOUT, or with the signal's reason. */
  call(path: string, body: Fields, options: CallOptions = {}): Promise<Fields> {
    return this.state
      .track(options.signal, () =>
        this.#tryEach(options.signal, (member) => this.#ask(member, path, body, options)),
      )
      .catch((error: unknown) => {
        void this.#recover();
        throw error;
      });
  }

  /** Asks whether a quorum answers. */
  async ping(signal: AbortSignal): Promise<void> {
    await this.call('kv/range', this.#question, { signal });
  }

  /** The same for what answers without a quorum: it says nothing about the connection. */
  callQuietly(path: string, body: Fields, options: CallOptions = {}): Promise<Fields> {
    return this.#tryEach(options.signal, (member) =>
      this.#ask(member, path, body, { ...options, requireLeader: false }),
    );
  }

  /**
   * The messages of a watch, from its creation on. Ends by throwing: when the stream ends, when its member falls silent or
   * loses its leader, when it is cancelled or compacted.
   */
  async *follow(create: Fields, signal: AbortSignal): AsyncGenerator<Fields, never> {
    const link = linkedAbort(signal);
    let unfollow = (): void => {};
    try {
      const opened = await this.#tryEach(link.signal, (member) => this.#open(member, create, link.signal));
      unfollow = this.#pulse.follow(opened.member, (error) => link.abort(error));
      for (;;) {
        const { done, value } = await abortable(opened.messages.next(), link.signal);
        if (done) throw new PilotfishError('UNAVAILABLE', 'etcd ended the watch');
        yield this.#checked(opened.member, value, link.signal);
      }
    } finally {
      unfollow();
      link.abort(new PilotfishError('CLOSED', 'the watch is over'));
      link.release();
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new PilotfishError('CLOSED', 'the registry was closed'));
    this.state.close();
    await Promise.all(this.#members.all.map((member) => member.close()));
  }

  /** While there is no connection somebody has to notice that there is one again: those who wait are woken by the state. */
  async #recover(): Promise<void> {
    const { clock, random } = this.#context;
    const { signal } = this.#closed;
    if (this.#recovering) return;
    this.#recovering = true;
    for (
      let attempt = 0;
      ['connecting', 'suspended'].includes(this.state.current) && !signal.aborted;
      attempt++
    ) {
      await sleep(clock, backoffMs(attempt, RECOVERY, random), signal)
        .then(() => this.ping(signal))
        .catch(() => {});
    }
    this.#recovering = false;
  }

  async #tryEach<T>(signal: AbortSignal | undefined, attempt: (member: Transport) => Promise<T>): Promise<T> {
    let last: unknown;
    for (const member of this.#members.inTurn()) {
      try {
        return await attempt(member);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!mayPass(error)) throw error;
        this.#members.leave(member);
        last = error;
      }
    }
    throw last;
  }

  #ask(
    member: Transport,
    path: string,
    body: Fields,
    options: CallOptions & { readonly requireLeader?: boolean },
  ): Promise<Fields> {
    const { tryMs = this.#tryMs, lane = 'calls', requireLeader = true, signal } = options;
    const what = `${path} at etcd ${member.name}`;
    const ask = (): Promise<Fields> =>
      withDeadline(this.#context.clock, tryMs, what, signal, (limited) =>
        this.#withToken(member, limited, async (token) => {
          const answer = await member.call(path, body, { token, lane, requireLeader, signal: limited });
          this.#assertOurs(member, answer);
          return answer;
        }),
      );
    return lane === 'calls' ? this.#slots.run(signal, ask) : ask();
  }

  /** Resolves once the watch is created: before that nothing says that it will ever be. */
  async #open(
    member: Transport,
    create: Fields,
    signal: AbortSignal,
  ): Promise<{ member: Transport; messages: AsyncGenerator<Fields, void> }> {
    const link = linkedAbort(signal);
    try {
      const what = `a watch at etcd ${member.name}`;
      const messages = await withDeadline(this.#context.clock, this.#tryMs, what, signal, (limited) =>
        this.#withToken(member, limited, async (token) => {
          const body = { create_request: { ...create, progress_notify: true } };
          const stream = await member.stream('watch', body, {
            token,
            lane: 'streams',
            requireLeader: true,
            signal: link.signal,
          });
          const first = await stream.next();
          if (first.done) throw new PilotfishError('UNAVAILABLE', `${what} ended at once`);
          this.#checked(member, first.value, signal);
          return stream;
        }),
      );
      return { member, messages };
    } catch (error) {
      link.abort(error);
      throw error;
    }
  }

  /** A token that is no longer good is replaced once, and so is none where the cluster wants one by now. */
  async #withToken<T>(
    member: Transport,
    signal: AbortSignal,
    work: (token: string | undefined) => Promise<T>,
  ): Promise<T> {
    const token = await this.#token(member, signal);
    try {
      return await work(token);
    } catch (error) {
      const isOver = isRefusal(error, 'token') || (token === undefined && isRefusal(error, 'denied'));
      if (this.#tokens === undefined || !isOver) throw error;
      await this.#tokens.drop(token);
      return work(await this.#token(member, signal));
    }
  }

  async #token(member: Transport, signal: AbortSignal): Promise<string | undefined> {
    const asked = this.#tokens?.current((name, password) => this.#authenticate(member, name, password));
    return asked && abortable(asked, signal);
  }

  /** Shared by all who wait for a token, so none of them ends it. */
  #authenticate(member: Transport, name: string, password: string): Promise<string> {
    const what = `authentication at etcd ${member.name}`;
    return withDeadline(this.#context.clock, this.#tryMs, what, undefined, async (signal) => {
      const options = { token: undefined, lane: 'calls', requireLeader: true, signal } as const;
      const { token } = await member.call('auth/authenticate', { name, password }, options);
      return String(token);
    });
  }

  #checked(member: Transport, message: Fields, signal: AbortSignal): Fields {
    signal.throwIfAborted();
    this.#assertOurs(member, message);
    if (message.canceled !== true) return message;
    const why = message.compact_revision ?? message.cancel_reason ?? 'no reason';
    throw new PilotfishError('UNAVAILABLE', `etcd cancelled the watch: ${String(why)}`);
  }

  #assertOurs(member: Transport, answer: Fields): void {
    const { clusterId, revision } = headerOf(answer);
    if (clusterId === '0') {
      // What is no answer of etcd must never become an empty list.
      throw new PilotfishError(
        'UNAVAILABLE',
        `expected an answer of etcd, got one without header, at ${member.name}`,
      );
    }
    const verdict = this.identity.judge(member.name, clusterId);
    const fields = { member: member.name, clusterId };
    if (verdict === 'new epoch') this.#context.logger.error(fields, 'etcd is another cluster now');
    if (verdict === 'another') {
      throw new PilotfishError('UNAVAILABLE', `etcd ${member.name} belongs to another cluster, ${clusterId}`);
    }
    this.identity.saw(revision);
  }
}

/** Only calls that need the quorum are judged. A lease that is gone, or a refusal, is not undone by a lost connection. */
function judgeFailure(error: unknown, state: RegistryState): RegistryState {
  if (isPilotfishError(error, 'DENIED')) return 'denied';
  if (isAnswer(error)) return 'connected';
  return state === 'connected' ? 'suspended' : state;
}
