/**
 * A live key on our lease: knows when it is deleted, taken or expired, and changes or removes only what is its own. Where
 * the format has no words for what the instance is, the key is not there; the lease is then all that can be lost.
 */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import { rewrite, unclaim } from './entry.js';
import type { Lease } from './lease.js';
import type { Store } from './store.js';

export interface EtcdRegistrationOptions {
  readonly store: Store;
  readonly key: string;
  readonly lease: Lease;
  /** Of the put that made it ours; undefined where there is no key for what the instance is. */
  readonly revision: number | undefined;
  /** What the key is to hold; undefined for an instance that readers of the format must not find. */
  readonly encode: (instance: Instance) => Buffer | undefined;
  readonly clock: Clock;
  /** How long one operation may take. */
  readonly limitMs: number;
  /** Why a key of ours that is not there any more is missing. */
  readonly whyMissing: (lease: Lease, signal: AbortSignal) => Promise<LostReason>;
  /** Called once, when it is closed or lost. */
  readonly onOver: () => void;
  /** Whether somebody here registers the key, or has registered it, after this one was over. */
  readonly isWanted: () => boolean;
  /** Called once, when the key may be there although it was closed: others keep the lease alive. */
  readonly onLeft: () => void;
}

export class EtcdRegistration implements Registration {
  readonly #options: EtcdRegistrationOptions;
  readonly #lost = deferred<LostReason>();
  #instance: Instance;
  #revision: number;
  #mayBeAbsent: boolean;
  #over = false;
  #leaseOver = false;
  #isLeft = false;

  /** For a key that is claimed already. */
  constructor(instance: Instance, options: EtcdRegistrationOptions) {
    this.#instance = instance;
    this.#options = options;
    this.#revision = options.revision ?? 0;
    this.#mayBeAbsent = options.revision === undefined;
  }

  get instance(): Instance {
    return this.#instance;
  }

  get lost(): Promise<LostReason> {
    return this.#lost.promise;
  }

  get key(): string {
    return this.#options.key;
  }

  get lease(): Lease {
    return this.#options.lease;
  }

  /** True while nobody has to have deleted a key that is not there. */
  get mayBeAbsent(): boolean {
    return this.#mayBeAbsent;
  }

  get over(): boolean {
    return this.#over;
  }

  async update(instance: Instance, { signal }: OperationOptions = {}): Promise<void> {
    if (this.#over) throw new PilotfishError('CLOSED', `the registration of ${instance.id} is over`);
    const value = this.#options.encode(instance);
    await this.#bounded('updating', signal, (limited) =>
      value === undefined ? this.#hide(limited) : this.#put(value, limited),
    );
    this.#instance = instance;
  }

  async confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    if (this.#leaseOver) return 'absent';
    return this.#bounded('reading back', signal, (limited) => this.#look(limited));
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#end();
    const { store, key, lease, isWanted } = this.#options;
    if (this.#leaseOver) return;
    try {
      await this.#bounded('deregistering', signal, (limited) =>
        unclaim(store, key, lease.id, { signal: limited }, isWanted),
      );
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  async #put(value: Buffer, signal: AbortSignal): Promise<void> {
    const { store, key, lease } = this.#options;
    const entry = { value, lease: lease.id };
    const revision = await rewrite(store, key, entry, this.#revision, this.#mayBeAbsent, { signal });
    if (revision === undefined) {
      await this.#look(signal);
      throw new PilotfishError('CONFLICT', `the entry of ${this.#instance.id} is no longer ours`);
    }
    this.#revision = Math.max(this.#revision, revision);
    this.#mayBeAbsent = false;
  }

  async #hide(signal: AbortSignal): Promise<void> {
    const { store, key, lease } = this.#options;
    // Before the deletion, or else somebody else would seem to have done it.
    this.#mayBeAbsent = true;
    await unclaim(store, key, lease.id, { signal });
  }

  /** Somebody found that the key is not ours any more, or that the lease is over. */
  gone(reason: LostReason): 'absent' {
    this.#leaseOver ||= reason === 'expired';
    if (!this.#over) this.#lost.resolve(reason);
    this.#end();
    return 'absent';
  }

  /** The registry ends the lease, and with it the key: nothing is left to do here. */
  released(): void {
    this.#leaseOver = true;
    this.#end();
  }

  async #look(signal: AbortSignal): Promise<Confirmation> {
    const { store, key, lease, whyMissing, encode } = this.#options;
    const wanted = encode(this.#instance);
    const found = await store.get(key, { signal });
    if (found === undefined) {
      const reason = await whyMissing(lease, signal);
      if (reason === 'expired' || !this.#mayBeAbsent) return this.gone(reason);
      return wanted === undefined ? 'present' : 'changed';
    }
    if (found.lease !== lease.id) return this.gone('taken');
    return wanted?.equals(found.value) ? 'present' : 'changed';
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onOver();
  }

  #leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#options.onLeft();
  }

  #bounded<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, limitMs } = this.#options;
    return withDeadline(clock, limitMs, `${what} ${this.#instance.id}`, signal, work);
  }
}
