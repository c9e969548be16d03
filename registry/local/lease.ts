/**
 * The lease of one process: a file renewed every third of its TTL for as long as the process runs. When it dies, the
 * lease ends and every entry that names it with it. When it merely slept too long, the lease says so and is replaced.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import type { Logger } from '../../runtime/logger.js';
import type { LocalFiles } from './files.js';
import type { HostTime } from './host-time.js';

export interface LeaseOptions {
  readonly files: LocalFiles;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly hostTime: HostTime;
  readonly logger: Logger;
}

/** What became of a renewal. */
export type Beat =
  | { readonly type: 'renewed' }
  /** It came too late: a new lease has replaced the one that ended. */
  | { readonly type: 'expired' }
  | { readonly type: 'missed'; readonly cause: string };

export class Lease {
  readonly #options: LeaseOptions;
  readonly #beats = new Emitter<Beat>();
  #id = newId();
  #expiresAt = 0;
  #cancel: () => void = () => {};
  #beating: Promise<void> = Promise.resolve();
  #closed = false;
  #isLate = false;

  private constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Resolves when the lease file is written. */
  static async open(options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(options);
    await lease.#write();
    lease.#schedule();
    return lease;
  }

  /** The current lease; a new one after each expiry. */
  get id(): string {
    return this.#id;
  }

  /** Fires after each attempt to renew it. */
  readonly onBeat: Event<Beat> = this.#beats.event;

  /** Writes the file again where somebody has deleted it: without it nobody lists what names it. */
  async restore(): Promise<void> {
    if ((await this.#options.files.readLease(this.#id)) === undefined) await this.#write();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#beating;
    await this.#options.files.removeLease(this.#id);
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(this.#options.ttlMs / 3, () => {
      this.#beating = this.#beat();
    });
  }

  async #beat(): Promise<void> {
    try {
      const expired = this.#options.hostTime.now() >= this.#expiresAt;
      if (expired) this.#id = newId();
      await this.#write();
      this.#isLate = false;
      if (!this.#closed) this.#beats.emit({ type: expired ? 'expired' : 'renewed' });
    } catch (error) {
      this.#missed(error);
    }
    if (!this.#closed) this.#schedule();
  }

  /** One line, however long the disk stays full. */
  #missed(error: unknown): void {
    const cause = messageOf(error);
    if (!this.#isLate) this.#options.logger.warn({ cause }, 'could not renew the local lease, trying again');
    this.#isLate = true;
    if (!this.#closed) this.#beats.emit({ type: 'missed', cause });
  }

  async #write(): Promise<void> {
    const { files, ttlMs, hostTime } = this.#options;
    const expiresAt = hostTime.now() + ttlMs;
    await files.writeLease(this.#id, { boot: hostTime.boot, expiresAt, ttlMs });
    if (this.#closed) await files.removeLease(this.#id);
    this.#expiresAt = expiresAt;
  }
}

function newId(): string {
  return randomUUID().replaceAll('-', '');
}
