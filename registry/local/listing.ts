/**
 * Reads the list of one service from its directory: entries with a living lease, the newest of each id. Remembers what
 * it has parsed, so that a change costs one directory listing and the files that are new.
 */
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { decodeInstance } from '../formats/pilotfish.js';
import { snapshotOf } from '../snapshot.js';
import { type EntryName, isAlive, type LocalFiles } from './files.js';
import type { HostTime } from './host-time.js';

interface Parsed {
  readonly stamp: string;
  readonly instance: Instance | undefined;
  readonly rejection: Rejection | undefined;
}

export interface Listing {
  readonly snapshot: Snapshot;
  /** Host time at which the first of the leases ends unless it is renewed; Infinity without entries. */
  readonly nextExpiry: number;
}

export class ServiceListing {
  readonly #service: string;
  readonly #files: LocalFiles;
  readonly #time: HostTime;
  #parsed = new Map<string, Parsed>();
  #revision = 0;

  constructor(service: string, files: LocalFiles, time: HostTime) {
    this.#service = service;
    this.#files = files;
    this.#time = time;
  }

  /**
   * A file that vanishes between listing and reading means that the directory has changed meanwhile, perhaps by a takeover
   * whose new file was not listed yet: then it is listed again, so that the result is the list of one moment.
   */
  async read(): Promise<Listing> {
    for (;;) {
      const listing = await this.#readOnce();
      if (listing !== undefined) return listing;
    }
  }

  /** Undefined when a file vanished meanwhile. */
  async #readOnce(): Promise<Listing | undefined> {
    const { entries, strangers } = await this.#files.entries(this.#service);
    const { alive, nextExpiry } = await this.#aliveLeases(entries);
    const parsed = new Map<string, Parsed>();
    for (const entry of entries) {
      if (!alive.has(entry.lease)) continue;
      const result = await this.#parse(entry);
      if (result === undefined) return undefined;
      parsed.set(entry.file, result);
    }
    this.#parsed = parsed;
    return { snapshot: this.#snapshot([...parsed.values()], strangers), nextExpiry };
  }

  async #aliveLeases(entries: readonly EntryName[]): Promise<{ alive: Set<string>; nextExpiry: number }> {
    const alive = new Set<string>();
    let nextExpiry = Number.POSITIVE_INFINITY;
    for (const lease of new Set(entries.map((entry) => entry.lease))) {
      const record = await this.#files.readLease(lease);
      if (!isAlive(record, this.#time)) continue;
      alive.add(lease);
      nextExpiry = Math.min(nextExpiry, record.expiresAt);
    }
    return { alive, nextExpiry };
  }

  /** Undefined when the file vanished meanwhile. */
  async #parse({ file, id }: EntryName): Promise<Parsed | undefined> {
    const stamp = await this.#files.entryStamp(this.#service, file);
    const known = this.#parsed.get(file);
    if (stamp === undefined || known?.stamp === stamp) return stamp === undefined ? undefined : known;
    const data = await this.#files.readEntry(this.#service, file);
    if (data === undefined) return undefined;
    const decoded = decodeInstance(data, this.#service, id);
    return decoded.ok
      ? { stamp, instance: decoded.value, rejection: undefined }
      : { stamp, instance: undefined, rejection: { entry: id, reason: decoded.error, id } };
  }

  /** Two living entries of one id exist for a moment during a takeover: the one written last wins. */
  #snapshot(parsed: readonly Parsed[], strangers: readonly string[]): Snapshot {
    const oldestFirst = parsed.toSorted((a, b) => (writtenAt(a) < writtenAt(b) ? -1 : 1));
    const instances = oldestFirst.flatMap(({ instance }) => (instance === undefined ? [] : [instance]));
    const rejected = parsed.flatMap(({ rejection }) => (rejection === undefined ? [] : [rejection]));
    for (const name of strangers) {
      rejected.push({
        entry: name,
        reason: `expected <id>@<lease>.json, got another name, at ${this.#service}`,
      });
    }
    return snapshotOf(this.#service, instances, ++this.#revision, rejected);
  }
}

function writtenAt({ stamp }: Parsed): bigint {
  return BigInt(stamp.split(':')[0] as string);
}
