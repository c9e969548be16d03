/**
 * Makes any backend's watch survive: subscribes again with full-jitter backoff whenever it throws or ends, keeps the
 * last good list meanwhile and says for how long it is unconfirmed. Backends stay simple because this exists once.
 */
import { linkedAbort } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { messageOf, PilotfishError } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import type { Random } from '../runtime/random.js';
import type { RegistryReader, Rejection, Snapshot } from './contract.js';
import { type LastGood, withLastGood } from './last-good.js';
import { type Change, diff, isEmptyChange } from './snapshot.js';

/** Full jitter up to 15 s between two attempts to subscribe again. */
const RESUBSCRIBE = { baseMs: 100, capMs: 15_000 };

/** How many different rejected entries are remembered, so that each is logged once. */
const REMEMBERED_REJECTIONS = 1000;

export interface SupervisedOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

export type WatchUpdate =
  /** A list arrived. `change` is empty when it only confirmed the one before. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly change: Change }
  /** The watch broke; the last list is kept and the next attempt follows by itself. */
  | { readonly type: 'broken'; readonly error: unknown };

export class SupervisedWatch {
  readonly service: string;
  readonly #registry: RegistryReader;
  readonly #options: SupervisedOptions;
  readonly #logger: Logger;
  readonly #updates = new Emitter<WatchUpdate>();
  readonly #stop = linkedAbort();
  readonly #logged = new Set<string>();
  readonly #ended: Promise<void>;
  #snapshot: Snapshot | undefined;
  #confirmedAt: number | undefined;
  #failures = 0;
  #lastError: unknown;

  /** Starts at once. `close()` ends it. */
  constructor(registry: RegistryReader, service: string, options: SupervisedOptions) {
    this.service = service;
    this.#registry = registry;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#ended = this.#run();
  }

  readonly onUpdate: Event<WatchUpdate> = this.#updates.event;

  /** The last good list; undefined before the first one. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** The error that broke the watch; undefined while it is whole. */
  get error(): unknown {
    return this.#lastError;
  }

  /** Milliseconds since the list was last known to be current: 0 while the watch is whole, undefined without a list. */
  get staleMs(): number | undefined {
    if (this.#confirmedAt === undefined) return undefined;
    return this.#failures === 0 ? 0 : this.#options.clock.now() - this.#confirmedAt;
  }

  /** Ends the watch; resolves when nothing of it runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', `the watch of ${this.service} was closed`));
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const snapshot of this.#registry.watch(this.service, { signal })) this.#accept(snapshot);
        if (!signal.aborted) throw new PilotfishError('UNAVAILABLE', 'the watch ended');
      } catch (error) {
        if (signal.aborted) return;
        await this.#broken(error);
      }
    }
  }

  #accept(read: Snapshot): void {
    const { snapshot, kept } = withLastGood(this.#snapshot, read);
    const change = diff(this.#snapshot, snapshot);
    if (this.#failures > 0) this.#logger.info({ service: this.service }, 'watch is whole again');
    this.#failures = 0;
    this.#lastError = undefined;
    this.#confirmedAt = this.#options.clock.now();
    this.#logRejected(snapshot.rejected, kept);
    const unchanged = this.#snapshot !== undefined && isEmptyChange(change);
    this.#snapshot = unchanged
      ? { ...snapshot, instances: (this.#snapshot as Snapshot).instances }
      : snapshot;
    this.#updates.emit({ type: 'snapshot', snapshot: this.#snapshot, change });
  }

  async #broken(error: unknown): Promise<void> {
    if (this.#failures === 0) {
      // While the watch was whole, the list was current up to this moment.
      if (this.#snapshot !== undefined) this.#confirmedAt = this.#options.clock.now();
      this.#logger.warn(
        { service: this.service, cause: messageOf(error) },
        'watch broke, keeping the last list',
      );
    }
    this.#lastError = error;
    this.#updates.emit({ type: 'broken', error });
    await this.#rest(backoffMs(this.#failures++, RESUBSCRIBE, this.#options.random));
  }

  /** After a long outage the waits are long: when the registry is connected again, only a first one is left of them. */
  async #rest(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#stop;
    const connected = linkedAbort(signal);
    const unsubscribe = this.#registry.onState((state) => {
      if (state === 'connected') connected.abort(undefined);
    });
    const wokenUp = await sleep(clock, ms, connected.signal).then(
      () => false,
      () => !signal.aborted,
    );
    unsubscribe();
    connected.release();
    if (wokenUp) await sleep(clock, backoffMs(0, RESUBSCRIBE, random), signal).catch(() => {});
  }

  #logRejected(rejections: readonly Rejection[], kept: LastGood['kept']): void {
    for (const { entry, reason, id } of rejections) {
      const key = `${entry}\n${reason}`;
      if (this.#logged.has(key) || this.#logged.size >= REMEMBERED_REJECTIONS) continue;
      this.#logged.add(key);
      const isKept = id !== undefined && kept.has(id);
      this.#logger.warn(
        { service: this.service, entry: printable(entry), reason },
        isKept
          ? 'a registry entry makes no sense now: keeping what it said before'
          : 'skipped a registry entry',
      );
    }
  }
}

/** Starts a supervised watch. */
export function supervise(
  registry: RegistryReader,
  service: string,
  options: SupervisedOptions,
): SupervisedWatch {
  return new SupervisedWatch(registry, service, options);
}
