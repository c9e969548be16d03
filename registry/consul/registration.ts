/**
 * A live entry at the local agent: it beats the entry's TTL check every third of the TTL and tells the entry's owner
 * when it is gone. An unreachable agent is no loss: the entry turns critical there, and the next beat revives it.
 *
 * Every operation runs in one queue, because the status of a heartbeat must not overwrite that of an update.
 */
import { randomUUID } from 'node:crypto';
import { linkedAbort } from '../../runtime/abort.js';
import { backoffMs } from '../../runtime/backoff.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import { describe, reject } from '../../runtime/expected.js';
import type { Logger } from '../../runtime/logger.js';
import type { Random } from '../../runtime/random.js';
import { type Serial, serial } from '../../runtime/serial.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import type { ConsulAgent, FoundEntry } from './agent.js';
import type { Catalog, CatalogItem } from './catalog.js';
import { checksById } from './decode.js';
import { type AgentEntry, checkIdOf, encodeEntry, entryId } from './entry.js';
import { type Check, healthOf, isOurs, isTheirs, maintenanceOfOthers } from './maintenance.js';
import { withRetries } from './retry.js';
import { type ShownEntry, shows } from './shown.js';

export interface RegistrationParts {
  readonly agent: ConsulAgent;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly ttlMs: number;
  /** Called once, when `close` has succeeded. */
  readonly onClosed: () => void;
}

type Signal = AbortSignal | undefined;

const BEATS_PER_TTL = 3;

/** The first retry of a failed beat follows within this time. */
const BEAT_RETRY_BASE_MS = 100;

export class ConsulRegistration implements Registration {
  /** Written into the entry; no other handle has the same. */
  readonly owner: string = randomUUID();
  readonly entryId: string;
  readonly #parts: RegistrationParts;
  readonly #lost = deferred<LostReason>();
  readonly #stop = linkedAbort();
  readonly #inTurn: Serial = serial();
  readonly #checkId: string;
  #instance: Instance;
  #loss: LostReason | undefined;
  #closing: Promise<void> | undefined;
  #beats = 0;
  #acceptedAt = 0;
  #late = false;
  #begunByOthers: Check | undefined;

  /** Makes the handle only: `start` writes the entry. */
  constructor(parts: RegistrationParts, instance: Instance) {
    this.#parts = parts;
    this.#instance = instance;
    this.entryId = entryId(instance.service, instance.id);
    this.#checkId = checkIdOf(this.entryId);
  }

  get instance(): Instance {
    return this.#instance;
  }

  get lost(): Promise<LostReason> {
    return this.#lost.promise;
  }

  /** Writes the entry over whatever has its id, reads it back and begins to beat. To be called once. */
  async start(signal: Signal): Promise<void> {
    await this.#inTurn(() => this.#write(this.#instance, signal));
    void this.#beatOn(this.#stop.signal);
  }

  async update(instance: Instance, { signal }: OperationOptions = {}): Promise<void> {
    const { service, id } = this.#instance;
    if (instance.service !== service) reject('service', describe(service), describe(instance.service));
    if (instance.id !== id) reject('id', describe(id), describe(instance.id));
    await this.#inTurn(async () => {
      const found = await this.#assertOurs(signal);
      await this.#write(instance, signal, found);
      this.#instance = instance;
    });
  }

  confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    return this.#inTurn(async () => {
      if (this.#loss !== undefined) return 'absent';
      const found = await withRetries(signal, () => this.#findOurs(signal));
      if (found === undefined) return 'absent';
      if (!found.checks.has(this.#checkId)) return this.#lose('deleted');
      return shows(found, this.#instance) ? 'present' : 'changed';
    });
  }

  close({ signal }: OperationOptions = {}): Promise<void> {
    this.#stop.abort(new PilotfishError('CLOSED', `the registration of ${this.entryId} was closed`));
    this.#closing ??= this.#inTurn(() => this.#remove(signal)).catch((error) => {
      this.#closing = undefined;
      throw error;
    });
    return this.#closing;
  }

  /** The entry, its check's status, and the read-back. Safe to repeat. @param found What is there, if that is known. */
  async #write(instance: Instance, signal: Signal, found?: FoundEntry): Promise<void> {
    const entry = encodeEntry(instance, this.owner);
    let known = found;
    await withRetries(signal, () => {
      const before = known;
      // A repetition looks anew.
      known = undefined;
      return this.#writeOnce(entry, signal, before);
    });
    this.#accepted();
    await this.#awaitCatalog((item) => item !== undefined && shows(shownBy(item), instance), signal);
  }

  async #writeOnce(entry: AgentEntry, signal: Signal, known: FoundEntry | undefined): Promise<void> {
    const { agent } = this.#parts;
    const { id, checkId, health, maintenanceId } = entry;
    const before = entry.reason === undefined ? undefined : (known ?? (await agent.find(id, { signal })));
    const reason = isTheirs(before?.checks.get(maintenanceId)) ? undefined : entry.reason;
    await agent.register({ ...entry, reason }, { signal });
    const found = await agent.find(id, { signal });
    if (found?.owner !== this.owner) {
      const got = found === undefined ? 'no entry' : 'that of another owner';
      throw new PilotfishError('UNAVAILABLE', `expected our entry, got ${got}, at read back of ${id}`);
    }
    // An entry that was there before kept the health of its check, and what took it out of service.
    if (found.checks.get(checkId)?.Status !== health) await agent.report(checkId, health, { signal });
    const ended = entry.reason === undefined && isOurs(found.checks.get(maintenanceId));
    if (ended) await agent.endMaintenance(id, { signal });
  }

  async #remove(signal: Signal): Promise<void> {
    if (this.#loss === undefined) {
      await withRetries(signal, () => this.#removeOnce(signal));
      await this.#awaitCatalog((item) => item === undefined, signal);
    }
    this.#parts.onClosed();
  }

  async #removeOnce(signal: Signal): Promise<void> {
    const { agent } = this.#parts;
    const isThere = async () => (await agent.find(this.entryId, { signal }))?.owner === this.owner;
    if (!(await isThere())) return;
    await agent.deregister(this.entryId, { signal });
    if (await isThere()) {
      throw new PilotfishError('UNAVAILABLE', `expected no entry, got ours, at read back of ${this.entryId}`);
    }
  }

  async #beatOn(signal: AbortSignal): Promise<void> {
    const beatMs = this.#parts.ttlMs / BEATS_PER_TTL;
    const retry = { baseMs: BEAT_RETRY_BASE_MS, capMs: beatMs };
    for (let failures = 0; !signal.aborted; ) {
      const waitMs = failures === 0 ? beatMs : backoffMs(failures - 1, retry, this.#parts.random);
      try {
        await sleep(this.#parts.clock, waitMs, signal);
        await this.#inTurn(() => this.#beat(signal));
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#missed(error);
      }
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const options = { signal, deadlineMs: this.#parts.ttlMs / BEATS_PER_TTL };
    // A heartbeat also keeps alive what another owner wrote under our id; once a TTL is soon enough to notice.
    const looks = this.#beats++ % BEATS_PER_TTL === 0;
    if (looks && (await this.#findOurs(signal, options.deadlineMs)) === undefined) return;
    const health = healthOf(this.#instance.status);
    if (await this.#parts.agent.report(this.#checkId, health, options)) this.#accepted();
    else this.#lose('deleted');
  }

  /** The entry while it is ours; otherwise the registration is lost. */
  async #findOurs(signal: Signal, deadlineMs?: number): Promise<FoundEntry | undefined> {
    const limit = deadlineMs === undefined ? {} : { deadlineMs };
    const found = await this.#parts.agent.find(this.entryId, { signal, ...limit });
    if (found?.owner === this.owner) {
      this.#notice(maintenanceOfOthers(found.checks.values()));
      return found;
    }
    this.#lose(found === undefined ? 'deleted' : 'taken');
    return undefined;
  }

  /** A maintenance that somebody else began is theirs to end: it is told, and nothing else is done about it. */
  #notice(maintenance: Check | undefined): void {
    const { logger } = this.#parts;
    const before = this.#begunByOthers;
    this.#begunByOthers = maintenance;
    if ((before === undefined) === (maintenance === undefined)) return;
    const entry = this.entryId;
    if (maintenance === undefined)
      logger.info({ entry }, 'the maintenance that somebody began in Consul is over');
    else
      logger.warn(
        { entry, reason: maintenance.Notes },
        'somebody began a maintenance in Consul: no traffic until they end it',
      );
  }

  async #assertOurs(signal: Signal): Promise<FoundEntry | undefined> {
    if (this.#loss === undefined) this.#stop.signal.throwIfAborted();
    if (this.#loss === undefined) {
      const found = await withRetries(signal, () => this.#findOurs(signal));
      if (this.#loss === undefined) return found;
    }
    const code = this.#loss === 'taken' ? 'CONFLICT' : 'CLOSED';
    throw new PilotfishError(code, `the registration of ${this.entryId} was lost: ${this.#loss}`);
  }

  #lose(reason: LostReason): 'absent' {
    if (this.#stop.signal.aborted) return 'absent';
    this.#loss = reason;
    this.#stop.abort(new PilotfishError('CLOSED', `the registration of ${this.entryId} was lost: ${reason}`));
    this.#parts.logger.warn({ entry: this.entryId, reason }, 'the registration is lost');
    this.#lost.resolve(reason);
    return 'absent';
  }

  #accepted(): void {
    if (this.#late) this.#parts.logger.info({ entry: this.entryId }, 'heartbeats are accepted again');
    this.#late = false;
    this.#acceptedAt = this.#parts.clock.now();
  }

  #missed(error: unknown): void {
    const silentMs = this.#parts.clock.now() - this.#acceptedAt;
    if (this.#late || silentMs < this.#parts.ttlMs) return;
    this.#late = true;
    const fields = { entry: this.entryId, cause: messageOf(error) };
    this.#parts.logger.warn(
      fields,
      'no heartbeat was accepted for a whole TTL: the entry is critical by now',
    );
  }

  #awaitCatalog(settled: (item: CatalogItem | undefined) => boolean, signal: Signal): Promise<void> {
    return this.#parts.catalog.until(this.#instance.service, this.owner, settled, signal);
  }
}

function shownBy({ Service, Checks }: CatalogItem): ShownEntry {
  return { service: Service, checks: checksById(Checks) };
}
