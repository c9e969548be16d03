/**
 * Looks after the entries of this process: takes their ids over from older owners, and notices when somebody deletes
 * one. Both need the listing of the service's directory, so there is one watch and one listing at a time per service,
 * however many entries there are.
 */
import type { Clock } from '../../runtime/clock.js';
import { coalesced } from '../../runtime/coalesced.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { watchDirectory } from '../directory-watch.js';
import type { EntryName, LocalFiles } from './files.js';
import type { LocalRegistration } from './registration.js';

interface OwnService {
  readonly registrations: Set<LocalRegistration>;
  /** Those that have written their entry but not yet removed older ones of the same id. */
  readonly arriving: Set<LocalRegistration>;
  readonly check: () => Promise<void>;
  readonly stop: () => void;
  isUnreadable: boolean;
}

interface OwnEntriesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pollMs: number;
}

export class OwnEntries {
  readonly #files: LocalFiles;
  readonly #options: OwnEntriesOptions;
  readonly #services = new Map<string, OwnService>();

  constructor(files: LocalFiles, options: OwnEntriesOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** To be called once the entry file exists. Resolves when no other entry of the id is left. */
  async add(registration: LocalRegistration): Promise<void> {
    const { service } = registration.instance;
    const own = this.#services.get(service) ?? this.#start(service);
    own.registrations.add(registration);
    own.arriving.add(registration);
    await own.check();
  }

  remove(registration: LocalRegistration): void {
    const { service } = registration.instance;
    const own = this.#services.get(service);
    own?.registrations.delete(registration);
    own?.arriving.delete(registration);
    if (own?.registrations.size !== 0) return;
    own.stop();
    this.#services.delete(service);
  }

  /** The lease of all of them ended. */
  expired(): void {
    for (const { registrations } of this.#services.values()) {
      for (const registration of registrations) registration.expired();
    }
  }

  async close(): Promise<void> {
    const all = [...this.#services.values()].flatMap(({ registrations }) => [...registrations]);
    await Promise.all(all.map((registration) => registration.close()));
  }

  #start(service: string): OwnService {
    const own: OwnService = {
      registrations: new Set(),
      arriving: new Set(),
      check: coalesced(() => this.#check(service, own)),
      stop: watchDirectory(this.#files.serviceDir(service), () => this.#changed(own), this.#options),
      isUnreadable: false,
    };
    this.#services.set(service, own);
    return own;
  }

  #changed(own: OwnService): void {
    const { logger } = this.#options;
    const onRead = (): void => {
      own.isUnreadable = false;
    };
    own.check().then(onRead, (error: unknown) => {
      if (!own.isUnreadable) logger.warn({ cause: messageOf(error) }, 'could not read own entries back');
      own.isUnreadable = true;
    });
  }

  async #check(service: string, own: OwnService): Promise<void> {
    const expected = [...own.registrations];
    const arriving = new Map(
      [...own.arriving].map((registration) => [registration.instance.id, registration]),
    );
    const { entries } = await this.#files.entries(service);
    await this.#removeOlder(service, entries, arriving);
    for (const registration of arriving.values()) own.arriving.delete(registration);
    const present = new Set(entries.map(({ file }) => file));
    for (const registration of expected) {
      if (!present.has(registration.file)) await registration.gone();
    }
  }

  async #removeOlder(
    service: string,
    entries: readonly EntryName[],
    arriving: ReadonlyMap<string, LocalRegistration>,
  ): Promise<void> {
    for (const { id, file } of entries) {
      const heir = arriving.get(id);
      if (heir !== undefined && heir.file !== file) await this.#files.removeEntry(service, file);
    }
  }
}
