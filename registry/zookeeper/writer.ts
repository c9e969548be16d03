/** The write side: an ephemeral node per instance, where and as the format says. */
import { linkedAbort, withDeadline } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Instance, OperationOptions, Registration, Registry } from '../contract.js';
import type { Format, WrittenEntry } from '../formats/format.js';
import { asRegistryError, type ZkSession } from './driver.js';
import { FixedSlot } from './fixed-slot.js';
import { type ZooKeeperOptions, ZooKeeperReader } from './reader.js';
import { ZkRegistration } from './registration.js';
import { SequentialSlot } from './sequential-slot.js';
import { Siblings } from './siblings.js';
import type { Place, Slot } from './slot.js';

/** How long a registration, an update or a removal may take while the session is connected. */
const OPERATION_LIMIT_MS = 15_000;
const CLEAN_UP = { baseMs: 100, capMs: 5_000 };
/**
 * Whoever failed through no wish of its own tries again, mostly within a fifth of a second. What it left is listed already
 * and would only be missing in between.
 */
const SECOND_TRY_MS = 500;

/** A format that has a writer. */
type WritableFormat = Format & Required<Pick<Format, 'encode'>>;

interface CleanUp {
  readonly key: string;
  readonly ended: Promise<void>;
}

export class ZooKeeperRegistry extends ZooKeeperReader implements Registry {
  readonly #format: WritableFormat;
  /** By what is claimed: two instances in one place are in each other's way. */
  readonly #registrations = new Map<string, ZkRegistration>();
  /** What looks after failed registers and removals; the session may be shared, so its end does not remove what they left. */
  readonly #cleanUps = new Set<CleanUp>();
  /** By folder. */
  readonly #siblings = new Map<string, Siblings>();
  readonly #stop = linkedAbort();
  #warned = false;

  constructor(options: ZooKeeperOptions, encode: WritableFormat['encode']) {
    super(options);
    this.#format = { ...options.format, encode };
    this.closers.defer(() => this.#closeRegistrations());
    this.closers.defer(() => this.#endCleanUps());
    this.closers.defer(() => this.#stop.abort(new PilotfishError('CLOSED', 'the registry was closed')));
  }

  async register(instance: Instance, { signal }: OperationOptions = {}): Promise<Registration> {
    const { clock } = this.options;
    const key = this.#keyOf(instance);
    const session = await this.connected(signal);
    this.#warnIfOpen();
    this.#refuseSecond(key, instance);
    const slot = this.#slotOf(session, instance);
    const written = this.#write(slot, instance);
    try {
      await withDeadline(clock, OPERATION_LIMIT_MS, `registering ${instance.id}`, signal, () => written);
      return this.#registered(key, instance, { session, slot });
    } catch (error) {
      // A claim that was given up may still succeed: look only once it has ended.
      const graceMs = signal?.aborted ? 0 : SECOND_TRY_MS;
      this.#lookAfter(
        key,
        written.catch(() => {}).then(() => this.#cleanUp(session, () => slot.clear(), graceMs)),
      );
      throw asRegistryError(error);
    }
  }

  leftovers(instance: Instance): Promise<void> | undefined {
    const key = this.#keyOf(instance);
    const found = [...this.#cleanUps].filter((cleanUp) => cleanUp.key === key);
    return found.length === 0 ? undefined : Promise.all(found.map(({ ended }) => ended)).then(() => {});
  }

  #registered(
    key: string,
    instance: Instance,
    { session, slot }: { session: ZkSession; slot: Slot },
  ): ZkRegistration {
    const registration: ZkRegistration = new ZkRegistration(instance, {
      session,
      slot,
      encode: (next) => (this.#hides(next) ? undefined : this.#encode(next)),
      clock: this.options.clock,
      limitMs: OPERATION_LIMIT_MS,
      onOver: () => this.#forget(key, registration),
      onLeft: (clear) => this.#removeLater(session, registration.instance, clear),
    });
    this.#registrations.set(key, registration);
    return registration;
  }

  async #write(slot: Slot, instance: Instance): Promise<void> {
    const entry = this.#encode(instance);
    await (this.#hides(instance) ? slot.hide(entry, instance) : slot.put(entry, instance));
  }

  #encode(instance: Instance): WrittenEntry {
    return this.#format.encode(instance, this.options.clock.wallNow());
  }

  #hides(instance: Instance): boolean {
    return this.#format.hides?.(instance) === true;
  }

  #slotOf(session: ZkSession, { service, id }: Instance): Slot {
    const { claims } = this.options.session;
    const place = {
      session,
      folder: this.options.paths.folder(service),
      service,
      format: this.#format,
      claims,
    };
    if (!this.#format.isSequential) return new FixedSlot(place);
    return new SequentialSlot(this.#siblingsAt(place), id);
  }

  /** One for each folder and session. */
  #siblingsAt(place: Place): Siblings {
    const known = this.#siblings.get(place.folder);
    if (known?.place.session === place.session) return known;
    const siblings = new Siblings(place);
    this.#siblings.set(place.folder, siblings);
    return siblings;
  }

  /** Sequential nodes have a place for each id, others for each name. */
  #keyOf(instance: Instance): string {
    const folder = this.options.paths.folder(instance.service);
    const name = this.#format.isSequential ? instance.id : this.#format.encode(instance, 0).name;
    return `${folder}/${name}`;
  }

  #refuseSecond(key: string, { id }: Instance): void {
    const other = this.#registrations.get(key)?.instance;
    if (other === undefined || other.id === id) return;
    throw new PilotfishError('CONFLICT', `${key} is the entry of ${other.id}, got ${id}`);
  }

  /** At the end of the registry there is no later. */
  #removeLater(session: ZkSession, instance: Instance, clear: () => Promise<void>): void {
    if (this.#stop.signal.aborted) return;
    this.#lookAfter(this.#keyOf(instance), this.#cleanUp(session, clear, 0));
  }

  /**
   * A failed register or removal may have left a node: clears it `graceMs` after the session is connected again. A session
   * that is over takes its nodes with it. At the end of the registry it tries once.
   */
  async #cleanUp(session: ZkSession, clear: () => Promise<void>, graceMs: number): Promise<void> {
    const { clock, random, timeoutMs } = this.options;
    const { signal } = this.#stop;
    for (let attempt = 0; ; attempt++) {
      const isLast = signal.aborted;
      try {
        const current = isLast ? session : await this.options.session.connected(timeoutMs, signal);
        if (current !== session) return;
        await sleep(clock, isLast ? 0 : graceMs, signal).catch(() => {});
        await clear();
        return;
      } catch {
        if (isLast) return;
        await sleep(clock, backoffMs(attempt, CLEAN_UP, random), signal).catch(() => {});
      }
    }
  }

  /** Said by whoever writes, and once. */
  #warnIfOpen(): void {
    const { open, logger } = this.options;
    if (!open || this.#warned) return;
    this.#warned = true;
    logger.warn(
      { url: this.url },
      'everybody may change what is registered here: the URL has no credentials',
    );
  }

  #lookAfter(key: string, work: Promise<void>): void {
    const ended = work.finally(() => this.#cleanUps.delete(cleanUp));
    const cleanUp: CleanUp = { key, ended };
    this.#cleanUps.add(cleanUp);
  }

  #forget(key: string, registration: ZkRegistration): void {
    if (this.#registrations.get(key) === registration) this.#registrations.delete(key);
  }

  async #endCleanUps(): Promise<void> {
    await Promise.allSettled([...this.#cleanUps].map(({ ended }) => ended));
  }

  async #closeRegistrations(): Promise<void> {
    await Promise.allSettled([...this.#registrations.values()].map((registration) => registration.close()));
  }
}
