/**
 * The one lease of a registry: everything it registers hangs on it. Kept alive every third of its TTL by a timer of its own
 * over connections of its own. Only etcd says that a lease is gone; silence, however long, does not.
 */
import { randomBytes } from 'node:crypto';
import { abortable, linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { sleep } from '../../runtime/clock.js';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import type { BackendContext } from '../open.js';
import type { EtcdClient } from './client.js';
import { countOf } from './decode.js';
import { isRefusal } from './refusal.js';

const BEATS_PER_TTL = 3;
const BEAT_RETRY_BASE_MS = 100;
/** A lease that ended is replaced within a second, whether or not there is anything to register. */
const AFTER_EXPIRY = { baseMs: 1_000, capMs: 1_000 };

export interface Lease {
  readonly id: string;
  /** As granted. */
  readonly ttlMs: number;
}

export interface LeaseOptions extends BackendContext {
  /** Asked for. */
  readonly ttlMs: number;
  /** The lease is gone, and with it every key on it. */
  readonly onLost: (lease: Lease) => void;
  /** Once in a TTL, after a heartbeat that was answered. */
  readonly onTtl: () => void;
}

export class LeaseKeeper {
  readonly #client: EtcdClient;
  readonly #options: LeaseOptions;
  readonly #closed = linkedAbort();
  #held: { readonly lease: Lease; readonly stop: () => void } | undefined;
  #granting: Promise<Lease> | undefined;
  /** An id that was asked for without an answer: the next try asks for the same, so that no lease is left over. */
  #asked: string | undefined;

  constructor(client: EtcdClient, options: LeaseOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** The live lease; granted when there is none. */
  async held(signal: AbortSignal | undefined): Promise<Lease> {
    if (this.#held !== undefined) return this.#held.lease;
    this.#granting ??= this.#grant().finally(() => {
      this.#granting = undefined;
    });
    return abortable(this.#granting, signal);
  }

  /** Of the lease that is held; undefined while there is none. */
  get ttlMs(): number | undefined {
    return this.#held?.lease.ttlMs;
  }

  isHeld(lease: Lease): boolean {
    return this.#held?.lease === lease;
  }

  /** Asks etcd now whether the lease is still there; `lost` is told when it is not. */
  async check(lease: Lease, signal: AbortSignal): Promise<boolean> {
    if (this.isHeld(lease)) await this.#beat(lease, signal);
    return this.isHeld(lease);
  }

  /** Somebody was told by etcd that the lease is not there. */
  gone(lease: Lease): void {
    if (!this.isHeld(lease)) return;
    this.#held?.stop();
    this.#held = undefined;
    this.#client.state.expired(`the lease ${lease.id} is gone`);
    this.#options.logger.warn({ lease: lease.id }, 'the etcd lease is gone');
    this.#options.onLost(lease);
    void this.#grantSoon();
  }

  /** Revokes the lease, which removes every key on it in one step. Rejects when etcd does not answer. */
  async close(): Promise<void> {
    this.#closed.abort(new PilotfishError('CLOSED', 'the registry was closed'));
    await this.#granting?.catch(() => {});
    const id = this.#held?.lease.id ?? this.#asked;
    this.#held?.stop();
    this.#held = undefined;
    if (id === undefined) return;
    await this.#client.call('lease/revoke', { ID: id }).catch((error: unknown) => {
      if (!isRefusal(error, 'no lease')) throw error;
    });
  }

  /** A fleet that lost its leases together spreads; who registers meanwhile does not wait for this. */
  async #grantSoon(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#closed;
    await sleep(clock, backoffMs(0, AFTER_EXPIRY, random), signal)
      .then(() => this.held(signal))
      // Then the next registration asks for it.
      .catch(() => {});
  }

  async #grant(): Promise<Lease> {
    const { signal } = this.#closed;
    signal.throwIfAborted();
    const id = this.#asked ?? newLeaseId();
    this.#asked = id;
    const lease = { id, ttlMs: await this.#ask(id, signal) };
    this.#asked = undefined;
    if (lease.ttlMs === 0) throw new PilotfishError('UNAVAILABLE', 'the lease ended before it was granted');
    const link = linkedAbort(signal);
    this.#held = { lease, stop: () => link.abort(new PilotfishError('CLOSED', 'the lease is over')) };
    void this.#beatOn(lease, link.signal);
    return lease;
  }

  /** The granted TTL in ms. The lease may be there already: that is an earlier try whose answer was lost. */
  async #ask(id: string, signal: AbortSignal): Promise<number> {
    const TTL = String(Math.ceil(this.#options.ttlMs / 1000));
    try {
      return 1000 * countOf((await this.#client.call('lease/grant', { ID: id, TTL }, { signal })).TTL);
    } catch (error) {
      if (!isRefusal(error, 'lease exists')) throw error;
      return 1000 * countOf((await this.#client.call('lease/keepalive', { ID: id }, { signal })).TTL);
    }
  }

  async #beatOn(lease: Lease, signal: AbortSignal): Promise<void> {
    const { clock, random, logger, onTtl } = this.#options;
    const beatMs = lease.ttlMs / BEATS_PER_TTL;
    const retry = { baseMs: BEAT_RETRY_BASE_MS, capMs: beatMs };
    for (let beats = 0, failures = 0; !signal.aborted; ) {
      try {
        await sleep(clock, failures === 0 ? beatMs : backoffMs(failures - 1, retry, random), signal);
        await this.#beat(lease, signal);
        failures = 0;
        if (++beats % BEATS_PER_TTL === 0 && !signal.aborted) onTtl();
      } catch (error) {
        if (signal.aborted) return;
        if (failures++ === 0)
          logger.warn({ cause: messageOf(error) }, 'no etcd member took a heartbeat, trying again');
      }
    }
  }

  /** A lease that is gone is answered like any other, but without a TTL. */
  async #beat(lease: Lease, signal: AbortSignal): Promise<void> {
    const options = { signal, lane: 'beats', tryMs: this.#beatTryMs(lease) } as const;
    const { TTL } = await this.#client.call('lease/keepalive', { ID: lease.id }, options);
    if (countOf(TTL) === 0) this.gone(lease);
  }

  /** With others to turn to, half a beat: then the next member has been asked before the next beat is due. */
  #beatTryMs({ ttlMs }: Lease): number {
    return ttlMs / BEATS_PER_TTL / Math.min(this.#client.size, 2);
  }
}

/** Positive, 63 bits, and never 0, which would let etcd choose. */
function newLeaseId(): string {
  return String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n);
}
