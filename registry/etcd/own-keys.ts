/**
 * Notices what others do to our keys. Per service one watch over the range from our first to our last key, and a look at
 * each of our keys and the lease it is attached to: at first, after an event on one of them, after each break of the watch,
 * and once in a TTL, because watches and leases of etcd 3.4 have been wrong before.
 *
 * Events are never believed, only looked up: what counts is what is there now.
 */
import { linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { coalesced } from '../../runtime/coalesced.js';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import type { BackendContext } from '../open.js';
import type { EtcdClient } from './client.js';
import { eventOf, listOf, type WatchEvent } from './decode.js';
import { type KeyRange, keyAfter, toBase64 } from './keys.js';
import type { LeaseKeeper } from './lease.js';
import type { EtcdRegistration } from './registration.js';
import type { Store } from './store.js';

const RETRY = { baseMs: 100, capMs: 5_000 };
/** Registrations come in swarms; the watch waits this long for more before it begins anew with a wider range. */
const GATHER_MS = 50;

interface Parts extends BackendContext {
  readonly client: EtcdClient;
  readonly store: Store;
  readonly keeper: LeaseKeeper;
}

export class OwnKeys {
  readonly #parts: Parts;
  readonly #services = new Map<string, OwnService>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  add(registration: EtcdRegistration): void {
    const { service } = registration.instance;
    const own = this.#services.get(service) ?? new OwnService(this.#parts);
    this.#services.set(service, own);
    own.add(registration);
  }

  remove(registration: EtcdRegistration): void {
    const { service } = registration.instance;
    const own = this.#services.get(service);
    own?.remove(registration);
    if (own?.size === 0) this.#services.delete(service);
  }

  has(key: string): boolean {
    return [...this.#services.values()].some((own) => own.has(key));
  }

  /** Looks at all of them, in the background. */
  verify(): void {
    for (const own of this.#services.values()) own.verify();
  }

  all(): readonly EtcdRegistration[] {
    return [...this.#services.values()].flatMap((own) => own.all());
  }
}

class OwnService {
  readonly #parts: Parts;
  readonly #registrations = new Map<string, EtcdRegistration>();
  readonly #stop = linkedAbort();
  readonly #look: () => Promise<void>;
  #range: KeyRange | undefined;
  #revision = 0;
  #restart: () => void = () => {};

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#look = coalesced(() => this.#lookNow());
  }

  get size(): number {
    return this.#registrations.size;
  }

  has(key: string): boolean {
    return this.#registrations.has(key);
  }

  all(): readonly EtcdRegistration[] {
    return [...this.#registrations.values()];
  }

  add(registration: EtcdRegistration): void {
    const { key } = registration;
    this.#registrations.set(key, registration);
    if (this.#registrations.size === 1 && this.#range === undefined) void this.#run();
    else if (this.#range === undefined || key < this.#range.from || key >= this.#range.to) this.#restart();
  }

  remove(registration: EtcdRegistration): void {
    const { key } = registration;
    if (this.#registrations.get(key) === registration) this.#registrations.delete(key);
    if (this.size === 0) this.#stop.abort(new PilotfishError('CLOSED', 'nothing of ours is left'));
  }

  verify(): void {
    this.#look().catch((error: unknown) => this.#complain(error));
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; ) {
      const link = linkedAbort(signal);
      this.#restart = () => link.abort(new PilotfishError('CLOSED', 'the range is wider now'));
      try {
        this.#range = rangeOf([...this.#registrations.keys()]);
        await this.#look();
        failures = 0;
        await this.#listen(this.#range, link.signal);
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = link.signal.aborted ? GATHER_MS : backoffMs(failures++, RETRY, random);
        if (!link.signal.aborted) this.#complain(error);
        await sleep(clock, waitMs, signal).catch(() => {});
      } finally {
        link.release();
      }
    }
  }

  /** Ends by throwing. */
  async #listen({ from, to }: KeyRange, signal: AbortSignal): Promise<void> {
    const start_revision = String(this.#revision + 1);
    const create = { key: toBase64(from), range_end: toBase64(to), start_revision };
    for await (const { events } of this.#parts.client.follow(create, signal)) {
      if (listOf(events).some((event) => this.#isForeign(eventOf(event)))) await this.#look();
    }
  }

  #isForeign({ type, kv }: WatchEvent): boolean {
    const registration = this.#registrations.get(kv.key);
    return registration !== undefined && (type === 'delete' || kv.lease !== registration.lease.id);
  }

  async #lookNow(): Promise<void> {
    const { signal } = this.#stop;
    const before = this.all();
    const absent = new Set(before.filter(({ mayBeAbsent }) => mayBeAbsent));
    const { found, revision } = await this.#parts.store.look(
      before.map(({ key }) => key),
      { signal },
    );
    if (Number.isFinite(revision)) this.#revision = revision;
    const missing: EtcdRegistration[] = [];
    for (const registration of before) {
      const kv = found.get(registration.key);
      if (kv === undefined) {
        if (!absent.has(registration) && !registration.mayBeAbsent) missing.push(registration);
      } else if (kv.lease !== registration.lease.id) registration.gone('taken');
    }
    // A lease that turns out to be gone tells its registrations itself; for those, what follows comes too late.
    for (const lease of new Set(missing.map((one) => one.lease)))
      await this.#parts.keeper.check(lease, signal);
    for (const registration of missing) registration.gone('deleted');
  }

  #complain(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#parts.logger.debug({ cause: messageOf(error) }, 'could not look after own keys, trying again');
  }
}

function rangeOf(keys: readonly string[]): KeyRange {
  const sorted = [...keys].sort();
  return { from: sorted[0] ?? '', to: keyAfter(sorted.at(-1) ?? '') };
}
