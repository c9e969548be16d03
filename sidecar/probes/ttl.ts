/**
 * Passes while the service itself keeps saying that it is well. Nothing is asked: a heartbeat is a result at
 * once, and silence past the TTL is a failure.
 *
 * A good heartbeat counts once. A bad one, or silence, stands until the next heartbeat and counts again every
 * interval, so that `fall` failures in a row are reached even by a service that has said its last word.
 */
import { linkedAbort } from '../../runtime/abort.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { formatDuration } from '../../runtime/duration.js';
import type { TtlProbeConfig } from '../config/config.js';
import { type CheckResult, type Probe, resultOf } from './probe.js';
import { failing, type Verdict } from './verdict.js';

/** What a service says of itself. */
export const BEAT_STATUSES = ['pass', 'warn', 'fail'] as const;
export type BeatStatus = (typeof BEAT_STATUSES)[number];

const MEANING = { pass: 'passing', warn: 'warning', fail: 'failing' } as const;

/** Heartbeats that came while nobody was asking; more than these would only repeat. */
const MAX_WAITING = 64;

export class TtlProbe implements Probe {
  readonly name: string;
  readonly type = 'ttl';
  readonly pace = 'event';
  readonly deadlineMs: number;
  readonly #config: TtlProbeConfig;
  readonly #clock: Clock;
  readonly #waiting: Verdict[] = [];
  #wake: () => void = () => {};
  #standing: Verdict;
  #heardAt: number;
  #dueAt: number;

  /** The first deadline counts from here. */
  constructor(config: TtlProbeConfig, clock: Clock) {
    this.name = config.name;
    this.deadlineMs = config.ttlMs;
    this.#config = config;
    this.#clock = clock;
    this.#heardAt = clock.now();
    this.#dueAt = this.#heardAt + Math.max(config.ttlMs, config.startGraceMs);
    this.#standing = this.#silence();
  }

  /** What the service says now. The note is for people; it may hold anything. */
  beat(status: BeatStatus, note = ''): void {
    const said = note === '' ? `the service says ${status}` : `the service says ${status}: ${note}`;
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ status: MEANING[status], reason: said });
    this.#wake();
  }

  async check(signal: AbortSignal): Promise<CheckResult> {
    if (this.#waiting.length === 0) await this.#untilBeatOrDue(signal);
    const beat = this.#waiting.shift();
    return resultOf(beat === undefined ? this.#due() : this.#heard(beat), 0);
  }

  async #untilBeatOrDue(signal: AbortSignal): Promise<void> {
    const wait = linkedAbort(signal);
    this.#wake = () => wait.abort('a heartbeat arrived');
    await sleep(this.#clock, this.#dueAt - this.#clock.now(), wait.signal).catch(() => {});
    this.#wake = () => {};
    wait.release();
  }

  #heard(beat: Verdict): Verdict {
    this.#heardAt = this.#clock.now();
    this.#standing = beat;
    this.#dueAt = this.#heardAt + (beat.status === 'failing' ? this.#config.intervalMs : this.#config.ttlMs);
    return beat;
  }

  #due(): Verdict {
    const now = this.#clock.now();
    const bad = this.#standing.status === 'failing';
    if (!bad || now - this.#heardAt >= this.#config.ttlMs) this.#standing = this.#silence();
    this.#dueAt = now + this.#config.intervalMs;
    return this.#standing;
  }

  #silence(): Verdict {
    return failing(`no heartbeat for ${formatDuration(this.#config.ttlMs)} or more`);
  }
}

export function isTtlProbe(probe: Probe): probe is TtlProbe {
  return probe instanceof TtlProbe;
}
