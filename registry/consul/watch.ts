/**
 * The watch of one service: blocking queries in a row, each answer a whole list. Every query after the first, and
 * every watch after a failed one, waits for its turn at a pacer, so that no answer can make a hot loop.
 *
 * Lists are read from any server (`stale`), because a server without leader still answers then; what such a server
 * says may add instances, but never removes any.
 */
import { type Clock, sleep } from '../../runtime/clock.js';
import { formatDuration } from '../../runtime/duration.js';
import { PilotfishError } from '../../runtime/errors.js';
import { jittered, type Random } from '../../runtime/random.js';
import type { Snapshot } from '../contract.js';
import { diff, isEmptyChange, snapshotOf } from '../snapshot.js';
import { decodeHealth } from './decode.js';
import type { Answer, ConsulHttp } from './http.js';
import { indexOf, nextIndex } from './index-rules.js';
import { Pacer } from './pacer.js';
import type { ConsulSettings } from './settings.js';

/** How many services may hold a connection in a blocking query. Those beyond are polled. */
export const MAX_BLOCKING = 64;

const POLL_MS = 5000;

/** What an answer may take beyond the time that the server was asked to wait. */
const SLACK_MS = 10_000;

/** A server that has not heard of its leader for longer than this is as good as without one. */
const MAX_LAST_CONTACT_MS = 10_000;

export interface WatchParts {
  readonly http: ConsulHttp;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: ConsulSettings;
  /** Those of the whole registry. */
  readonly blocking: Slots;
  readonly memories: Map<string, Memory>;
}

/** What is known of a service from one watch to the next. */
interface Memory {
  /** Paces the watches that follow a failed one; a fresh watch starts at once. */
  readonly restarts: Pacer;
  failed: boolean;
  last: Snapshot | undefined;
}

/** A number of things that may be held at a time. */
export class Slots {
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  take(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  give(): void {
    this.#free++;
  }
}

/** Ends by throwing only: the signal's reason, or why the list cannot be kept current. */
export async function* watchHealth(
  parts: WatchParts,
  service: string,
  signal: AbortSignal,
): AsyncGenerator<Snapshot, never, undefined> {
  const memory = memoryOf(parts.memories, service);
  const watch = new HealthWatch(parts, service, memory, signal);
  try {
    if (memory.failed) await sleep(parts.clock, memory.restarts.take(parts.clock.now()), signal);
    for (;;) {
      yield await watch.next();
      await watch.turn();
    }
  } finally {
    watch.end();
  }
}

class HealthWatch {
  readonly #parts: WatchParts;
  readonly #service: string;
  readonly #memory: Memory;
  readonly #signal: AbortSignal;
  readonly #pacer = new Pacer();
  #index = 0;
  #revision = 0;
  #holdsSlot = false;

  constructor(parts: WatchParts, service: string, memory: Memory, signal: AbortSignal) {
    this.#parts = parts;
    this.#service = service;
    this.#memory = memory;
    this.#signal = signal;
  }

  /** Waits until the next query may be sent. */
  async turn(): Promise<void> {
    const { blocking, clock, random } = this.#parts;
    this.#holdsSlot ||= blocking.take();
    const pacedMs = this.#pacer.take(clock.now());
    const waitMs = this.#holdsSlot ? pacedMs : Math.max(pacedMs, jittered(POLL_MS, 0.2, random));
    if (waitMs > 0) await sleep(clock, waitMs, this.#signal);
  }

  /** One query, and the list in its answer. */
  async next(): Promise<Snapshot> {
    const memory = this.#memory;
    try {
      const answer = await this.#query();
      const snapshot = this.#read(answer);
      this.#pacer.answered(memory.last === undefined || !isEmptyChange(diff(memory.last, snapshot)));
      memory.last = snapshot;
      memory.failed = false;
      return snapshot;
    } catch (error) {
      if (!this.#signal.aborted) memory.failed = true;
      throw error;
    }
  }

  end(): void {
    if (this.#holdsSlot) this.#parts.blocking.give();
  }

  #query(): Promise<Answer> {
    const { http, settings } = this.#parts;
    const { dc, waitMs } = settings;
    const blocks = this.#holdsSlot && this.#index > 0;
    // The server adds up to a sixteenth of the wait, so that clients do not return in step.
    const deadlineMs = SLACK_MS + (blocks ? waitMs + waitMs / 16 : 0);
    const wait = blocks ? { index: String(this.#index), wait: formatDuration(waitMs) } : {};
    const path = `/v1/health/service/${encodeURIComponent(this.#service)}`;
    return http.get(path, { query: { stale: '', dc, ...wait }, deadlineMs, signal: this.#signal });
  }

  #read({ headers, json }: Answer): Snapshot {
    const index = indexOf(header(headers['x-consul-index']));
    const { instances, rejected } = decodeHealth(this.#service, json, this.#parts.settings.address);
    const snapshot = snapshotOf(this.#service, instances, index ?? this.#revision, rejected);
    if (!hasLeader(headers)) this.#refuseRemovals(snapshot);
    if (headers['x-consul-results-filtered-by-acls'] === 'true') this.#refuseEmpty(snapshot);
    this.#index = nextIndex(this.#index, index);
    this.#revision = snapshot.revision;
    return snapshot;
  }

  #refuseRemovals(snapshot: Snapshot): void {
    const removes = diff(this.#memory.last, snapshot).removed.length > 0;
    if (!removes && snapshot.instances.length > 0) return;
    const message = `a server without leader answered for ${this.#service} with fewer instances than there were`;
    throw new PilotfishError('UNAVAILABLE', message);
  }

  /** Newer servers say that they left out what our token may not see; all of it left out is no empty service. */
  #refuseEmpty(snapshot: Snapshot): void {
    if (snapshot.instances.length > 0) return;
    throw new PilotfishError('DENIED', `the token may not see the instances of ${this.#service}`);
  }
}

function memoryOf(memories: Map<string, Memory>, service: string): Memory {
  const known = memories.get(service) ?? { restarts: new Pacer(), failed: false, last: undefined };
  memories.set(service, known);
  return known;
}

function hasLeader(headers: Answer['headers']): boolean {
  const lastContactMs = Number(header(headers['x-consul-lastcontact']) ?? 0);
  return headers['x-consul-knownleader'] !== 'false' && !(lastContactMs > MAX_LAST_CONTACT_MS);
}

function header(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
