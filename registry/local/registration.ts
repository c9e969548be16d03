/** One entry file of this process, and the answer to "is it still there and still mine?". */
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Confirmation, Instance, LostReason, Registration } from '../contract.js';
import { encodeInstance } from '../formats/pilotfish.js';
import { entryFile, isAlive, type LocalFiles } from './files.js';
import type { HostTime } from './host-time.js';

export class LocalRegistration implements Registration {
  readonly #files: LocalFiles;
  readonly #time: HostTime;
  readonly #lease: string;
  readonly #lost = deferred<LostReason>();
  readonly #onClose: () => void;
  #instance: Instance;
  #closed = false;

  constructor(files: LocalFiles, time: HostTime, lease: string, instance: Instance, onClose: () => void) {
    this.#files = files;
    this.#time = time;
    this.#lease = lease;
    this.#instance = instance;
    this.#onClose = onClose;
  }

  get instance(): Instance {
    return this.#instance;
  }

  get lost(): Promise<LostReason> {
    return this.#lost.promise;
  }

  /** The name of the entry file. */
  get file(): string {
    return entryFile(this.#instance.id, this.#lease);
  }

  async write(): Promise<void> {
    const { service, id } = this.#instance;
    await this.#files.writeEntry(service, id, this.#lease, encodeInstance(this.#instance));
  }

  async update(instance: Instance): Promise<void> {
    if (this.#closed) throw new PilotfishError('CLOSED', `the registration of ${instance.id} was closed`);
    await this.#files.writeEntry(instance.service, instance.id, this.#lease, encodeInstance(instance));
    this.#instance = instance;
  }

  async confirm(): Promise<Confirmation> {
    const { service } = this.#instance;
    const data = await this.#files.readEntry(service, this.file);
    if (data?.equals(encodeInstance(this.#instance))) return 'present';
    if (data !== undefined) return 'changed';
    await this.gone();
    return 'absent';
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#onClose();
    await this.#files.removeEntry(this.#instance.service, this.file);
  }

  /** The lease that the entry names has ended. */
  expired(): void {
    if (!this.#closed) this.#lost.resolve('expired');
  }

  /** The entry file is not there any more. */
  async gone(): Promise<void> {
    const siblings = await this.#siblings();
    const living = await Promise.all(siblings.map(({ lease }) => this.#files.readLease(lease)));
    const taken = living.some((record) => isAlive(record, this.#time));
    if (!this.#closed) this.#lost.resolve(taken ? 'taken' : 'deleted');
  }

  async #siblings(): Promise<{ file: string; lease: string }[]> {
    const { entries } = await this.#files.entries(this.#instance.service);
    return entries.filter(({ id, lease }) => id === this.#instance.id && lease !== this.#lease);
  }
}
