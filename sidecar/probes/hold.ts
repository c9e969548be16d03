/**
 * One idle connection to the service beside its checks. A process that dies closes its sockets within
 * milliseconds, while the next check may be seconds away. The end of the connection is no verdict, since
 * servers close idle connections; it is a reason to look at once.
 *
 * What it may never do is harm: a server that closes idle connections again and again is left alone for longer
 * and longer, and a server that answers no check while it holds ours, because it serves one connection at a
 * time, is rid of it for good after the second time.
 */
import { once } from 'node:events';
import { type LinkedAbort, linkedAbort } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { Emitter, type Event } from '../../runtime/events.js';
import type { Dial } from './dial.js';

/** A wait between two connections is never longer, unless the interval itself is. */
const LONGEST_WAIT_MS = 30_000;

/** A check that times out this soon after connecting may do so because of the connection. */
const SUSPECT_MS = 60_000;
const MAX_SUSPICIONS = 2;

/** A service that sends more than a greeting unasked would keep us busy reading. */
const MAX_UNASKED_BYTES = 64 * 1024;

const NEVER = Number.POSITIVE_INFINITY;

interface Held extends LinkedAbort {
  readonly since: number;
  isOpen: boolean;
}

export class Hold {
  readonly #dial: Dial;
  readonly #intervalMs: number;
  readonly #clock: Clock;
  readonly #ends = new Emitter<void>();
  #held: Held | undefined;
  /** Connections in a row that lasted less than an interval and were not ended by a death. */
  #early = 0;
  #notBefore = 0;
  #suspicions = 0;

  /** Starts nothing. `intervalMs` is that of the checks. */
  constructor(dial: Dial, intervalMs: number, clock: Clock) {
    this.#dial = dial;
    this.#intervalMs = intervalMs;
    this.#clock = clock;
    this.#notBefore = clock.now();
  }

  /** Fires when the connection has ended by itself or could not be opened: at most once per `keep()`. */
  readonly onEnd: Event<void> = this.#ends.event;

  get state(): 'none' | 'connecting' | 'open' | 'given up' {
    if (this.#held !== undefined) return this.#held.isOpen ? 'open' : 'connecting';
    return this.#notBefore === NEVER ? 'given up' : 'none';
  }

  /** Connects, unless it holds a connection already or has to wait. To be called after each good check. */
  keep(): void {
    const since = this.#clock.now();
    if (this.#held !== undefined || since < this.#notBefore) return;
    const held = { ...linkedAbort(), since, isOpen: false };
    this.#held = held;
    void this.#untilEnd(held);
  }

  /** To be called when any check of the service got no answer in time. */
  suspect(): void {
    if (this.#held === undefined || this.#clock.now() - this.#held.since > SUSPECT_MS) return;
    this.#suspicions++;
    this.#letGo();
    if (this.#suspicions >= MAX_SUSPICIONS) this.close();
  }

  /**
   * To be called when nobody listens any more: many servers that are asked to end close their port first, and end only
   * when the last connection has, which would be ours. What ended early then ended with its service, however often that
   * dies, and says nothing of a server that closes idle connections.
   */
  release(): void {
    this.#letGo();
    this.#early = 0;
    if (this.#notBefore !== NEVER) this.#notBefore = this.#clock.now();
  }

  /** For good. Idempotent. */
  close(): void {
    this.#notBefore = NEVER;
    this.#letGo();
  }

  async #untilEnd(held: Held): Promise<void> {
    await this.#connection(held).catch(() => {});
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#spaceOut(this.#clock.now() - held.since);
    this.#ends.emit();
  }

  async #connection(held: Held): Promise<void> {
    const socket = await this.#dial(held.signal);
    held.isOpen = true;
    socket.on('data', () => {
      if (socket.bytesRead > MAX_UNASKED_BYTES) this.close();
    });
    if (!socket.destroyed) await once(socket, 'close');
  }

  /** The first early end may be that of a service which just dies, so the next connection is made at once. */
  #spaceOut(lastedMs: number): void {
    if (lastedMs > SUSPECT_MS) this.#suspicions = 0;
    this.#early = lastedMs < this.#intervalMs ? this.#early + 1 : 0;
    if (this.#early < 2) return;
    const waitMs = this.#intervalMs * 2 ** Math.min(this.#early - 2, 30);
    this.#notBefore = this.#clock.now() + Math.min(waitMs, Math.max(LONGEST_WAIT_MS, this.#intervalMs));
  }

  #letGo(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.abort(new Error('no longer held'));
  }
}
