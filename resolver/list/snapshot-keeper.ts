/**
 * Keeps the snapshot file of one service: loads it once, at the start, and saves the list whenever it has changed, at most
 * once a second. A list that stays the same is saved again from time to time, so that its age says when it was last
 * confirmed and not when it last changed. Whatever goes wrong here is told and never disturbs the list itself.
 */
import type { Instance, Snapshot } from '../../registry/contract.js';
import { snapshotOf } from '../../registry/snapshot.js';
import type { Clock } from '../../runtime/clock.js';
import { coalesced } from '../../runtime/coalesced.js';
import { messageOf } from '../../runtime/errors.js';
import { type Logger, silentLogger } from '../../runtime/logger.js';
import { jittered, type Random } from '../../runtime/random.js';
import { SnapshotFile } from './snapshot-file.js';
import { ageOf, decodeSavedList, encodeSavedList, type SnapshotOwner } from './snapshot-format.js';

export interface SnapshotPlan {
  readonly dir: string;
  /** Older files are ignored, in ms. */
  readonly maxAgeMs: number;
  /** For how long `ready` prefers a list that a registry may still send, in ms. */
  readonly afterMs: number;
}

export interface KeeperContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

/** A list from the file, and how old it was when it was read. */
export interface Loaded {
  readonly snapshot: Snapshot;
  readonly ageMs: number;
}

const PACE_MS = 1_000;
/** An unchanged list is saved again after a tenth of the greatest age, an hour at most, ± 20 %. */
const RENEW_SHARE = 0.1;
const RENEW_MS = 3_600_000;
const RENEW_JITTER = 0.2;
/** A full disk is not asked again and again. */
const RETRY_MS = 60_000;

export class SnapshotKeeper {
  readonly #owner: SnapshotOwner;
  readonly #plan: SnapshotPlan;
  readonly #context: KeeperContext;
  readonly #file: SnapshotFile;
  readonly #isCurrent: () => boolean;
  readonly #save = coalesced(() => this.#write());
  #list: readonly Instance[] | undefined;
  /** The list that is in the file already. */
  #saved: readonly Instance[] | undefined;
  #lastWriteMs = -Infinity;
  #error: unknown;
  #cancel: () => void = () => {};
  #closed = false;

  /** @param isCurrent Whether a registry confirms the list at this moment. */
  constructor(owner: SnapshotOwner, plan: SnapshotPlan, isCurrent: () => boolean, context: KeeperContext) {
    this.#owner = owner;
    this.#plan = plan;
    this.#isCurrent = isCurrent;
    this.#context = context;
    this.#file = new SnapshotFile(plan.dir, owner);
  }

  /** Why the file could not be read or written the last time; undefined when it could. */
  get error(): unknown {
    return this.#error;
  }

  /** The list in the file; undefined when there is none that may be used. An empty list is none. Never rejects. */
  async load(): Promise<Loaded | undefined> {
    try {
      const data = await this.#file.read();
      return data === undefined ? undefined : this.#decode(data);
    } catch (error) {
      this.#failed(error, 'cannot read the saved list');
      return undefined;
    }
  }

  /** Saves the list soon. Returns at once. */
  keep(instances: readonly Instance[]): void {
    this.#list = instances;
    const waitMs = this.#lastWriteMs + PACE_MS - this.#context.clock.now();
    this.#saveIn(this.#error === undefined ? waitMs : Math.max(waitMs, PACE_MS));
  }

  /** Saves what is not saved yet. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    if (this.#list !== this.#saved) await this.#save();
  }

  #decode(data: Buffer): Loaded | undefined {
    const list = decodeSavedList(data, this.#owner);
    const age = list.ok ? ageOf(list.value, this.#context.clock.wallNow(), this.#plan.maxAgeMs) : list;
    if (!list.ok || !age.ok) {
      this.#failed(list.ok ? (age as { error: string }).error : list.error, 'ignored the saved list');
      return undefined;
    }
    const { instances } = list.value;
    if (instances.length === 0) return undefined;
    return { snapshot: snapshotOf(this.#owner.service, instances, 0), ageMs: age.value };
  }

  #saveIn(ms: number): void {
    this.#cancel();
    if (this.#closed) return;
    this.#cancel = this.#context.clock.after(ms, () => void this.#save());
  }

  async #write(): Promise<void> {
    const instances = this.#list;
    const { clock, random } = this.#context;
    if (instances === undefined) return;
    this.#lastWriteMs = clock.now();
    try {
      if (instances !== this.#saved || this.#isCurrent()) {
        const data = encodeSavedList(this.#owner, { instances, savedAt: clock.wallNow() });
        await this.#file.replace(data, clock.wallNow());
      }
      this.#saved = instances;
      this.#error = undefined;
    } catch (error) {
      this.#failed(error, 'cannot save the list');
    }
    const renewMs = Math.min(RENEW_MS, this.#plan.maxAgeMs * RENEW_SHARE);
    if (this.#list === instances) {
      this.#saveIn(jittered(this.#error === undefined ? renewMs : RETRY_MS, RENEW_JITTER, random));
    }
  }

  /** Each trouble is told once, until it is over. */
  #failed(error: unknown, what: string): void {
    const cause = messageOf(error);
    const isNews = this.#error === undefined || messageOf(this.#error) !== cause;
    this.#error = error;
    if (!isNews) return;
    const fields = { service: this.#owner.service, file: this.#file.path, cause };
    (this.#context.logger ?? silentLogger).warn(fields, what);
  }
}
