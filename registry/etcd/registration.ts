/** A live key on our lease: knows when it is deleted, taken or expired, and changes or removes only what is its own. */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import { encodeInstance } from '../formats/pilotfish.js';
import { rewrite, unclaim } from './entry.js';
import type { Lease } from './lease.js';
import type { Store } from './store.js';

export interface EtcdRegistrationOptions {
  readonly store: Store;
  readonly key: string;
  readonly lease: Lease;
  /** Of the put that made it ours. */
  readonly revision: number;
  readonly clock: Clock;
  /** How long one operation may take. */
  readonly limitMs: number;
  /** Why a key of ours that is not there any more is missing. */
  readonly whyMissing: (lease: Lease, signal: AbortSignal) => Promise<LostReason>;
  /** Called once, when it is closed or lost. */
  readonly onOver: () => void;
}

export class EtcdRegistration implements Registration {
  readonly #options: EtcdRegistrationOptions;
  readonly #lost = deferred<LostReason>();
  #instance: Instance;
  #revision: number;
  #over = false;
  #leaseOver = false;

  /** For a key that is claimed already. */
  constructor(instance: Instance, options: EtcdRegistrationOptions) {
    this.#instance = instance;
    this.#options = options;
    this.#revision = options.revision;
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

  get over(): boolean {
    return this.#over;
  }

  async update(instance: Instance, { signal }: OperationOptions = {}): Promise<void> {
    if (this.#over) throw new PilotfishError('CLOSED', `the registration of ${instance.id} is over`);
    const { store, key, lease } = this.#options;
    const entry = { value: encodeInstance(instance), lease: lease.id };
    await this.#bounded('updating', signal, async (limited) => {
      const revision = await rewrite(store, key, entry, this.#revision, { signal: limited });
      if (revision === undefined) {
        await this.#look(limited);
        throw new PilotfishError('CONFLICT', `the entry of ${instance.id} is no longer ours`);
      }
      this.#revision = Math.max(this.#revision, revision);
    });
    this.#instance = instance;
  }

  async confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    if (this.#leaseOver) return 'absent';
    return this.#bounded('reading back', signal, (limited) => this.#look(limited));
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#end();
    const { store, key, lease } = this.#options;
    if (this.#leaseOver) return;
    await this.#bounded('deregistering', signal, (limited) =>
      unclaim(store, key, lease.id, { signal: limited }),
    );
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
    const { store, key, lease, whyMissing } = this.#options;
    const found = await store.get(key, { signal });
    if (found === undefined) return this.gone(await whyMissing(lease, signal));
    if (found.lease !== lease.id) return this.gone('taken');
    return found.value.equals(encodeInstance(this.#instance)) ? 'present' : 'changed';
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onOver();
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
