/**
 * The life of one connection: keeps account of what was sent and received, looks again whenever the heartbeat's rules
 * say so, and lets its owner ping, hang up or doubt.
 */
import type { Clock } from '../../../runtime/clock.js';
import { judge, type Traffic } from './heartbeat.js';

export interface PulseOptions {
  readonly clock: Clock;
  /** The session's timeout as granted. */
  readonly timeoutMs: number;
  /** When the oldest request without an answer was sent. */
  readonly oldestRequestAt: () => number | undefined;
  readonly ping: () => void;
  readonly hangUp: () => void;
  /** This process stood still. A ping follows; nothing is known until `ponged` says so. */
  readonly doubt: () => void;
}

export class Pulse {
  readonly #options: PulseOptions;
  #sentAt: number;
  #receivedAt: number;
  /** Nothing is expected to have been answered before this. */
  #expectedFrom: number;
  #pingedAt: number;
  #pings = 0;
  #dueAt: number;
  #cancel: () => void = () => {};

  constructor(options: PulseOptions) {
    this.#options = options;
    const now = options.clock.now();
    this.#sentAt = this.#receivedAt = this.#expectedFrom = this.#pingedAt = this.#dueAt = now;
    this.#lookAt(now);
  }

  sent(): void {
    this.#sentAt = this.#options.clock.now();
  }

  /** To be called before what came is believed: after a pause the socket may be served before the timer. */
  received(): void {
    if (judge(this.#traffic(), this.#options.clock.now()).do === 'verify') this.#verify();
    this.#receivedAt = this.#options.clock.now();
  }

  /** Returns whether that answered the newest ping, so that whatever was in doubt is true. */
  ponged(): boolean {
    this.#pings = Math.max(0, this.#pings - 1);
    if (this.#pings > 0) return false;
    // What was due was the end of the wait for this answer; the next ping is due before.
    this.#cancel();
    this.#look();
    return true;
  }

  stop(): void {
    this.#cancel();
  }

  readonly #look = (): void => {
    const now = this.#options.clock.now();
    const verdict = judge(this.#traffic(), now);
    if (verdict.do === 'verify') this.#verify();
    if (verdict.do === 'ping') this.#ping();
    if (verdict.do === 'hang up') this.#options.hangUp();
    else this.#lookAt(verdict.do === 'wait' ? verdict.untilMs : now);
  };

  #lookAt(dueAt: number): void {
    const { clock } = this.#options;
    this.#dueAt = dueAt;
    this.#cancel = clock.after(dueAt - clock.now(), this.#look);
  }

  /** Replies from before the pause may still be waiting to be read: everything has its full time again. */
  #verify(): void {
    const now = this.#options.clock.now();
    this.#dueAt = this.#receivedAt = this.#expectedFrom = now;
    this.#options.doubt();
    this.#ping();
  }

  #ping(): void {
    if (this.#pings === 0) this.#pingedAt = this.#options.clock.now();
    this.#pings++;
    this.#options.ping();
  }

  #traffic(): Traffic {
    return {
      timeoutMs: this.#options.timeoutMs,
      lastSentAt: this.#sentAt,
      lastReceivedAt: this.#receivedAt,
      pinged: this.#pings > 0,
      awaitedSince: this.#awaitedSince(),
      dueAt: this.#dueAt,
    };
  }

  #awaitedSince(): number | undefined {
    const request = this.#options.oldestRequestAt() ?? Number.POSITIVE_INFINITY;
    const oldest = this.#pings > 0 ? Math.min(request, this.#pingedAt) : request;
    return Number.isFinite(oldest) ? Math.max(oldest, this.#expectedFrom) : undefined;
  }
}
