/**
 * Watches over the entries of this process, one directory watch per service however many entries there are, so that a
 * deletion by somebody else is known at once. A burst of changes costs one more listing, not one per change.
 */
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { watchDirectory } from '../directory-watch.js';
import type { LocalFiles } from './files.js';
import type { LocalRegistration } from './registration.js';

interface OwnService {
  readonly registrations: Set<LocalRegistration>;
  readonly stop: () => void;
  check: 'idle' | 'running' | 'again';
}

export class OwnEntries {
  readonly #files: LocalFiles;
  readonly #options: { readonly clock: Clock; readonly logger: Logger; readonly pollMs: number };
  readonly #services = new Map<string, OwnService>();

  constructor(
    files: LocalFiles,
    options: { readonly clock: Clock; readonly logger: Logger; readonly pollMs: number },
  ) {
    this.#files = files;
    this.#options = options;
  }

  /** To be called once the entry file exists. */
  add(registration: LocalRegistration): void {
    const { service } = registration.instance;
    const own = this.#services.get(service) ?? this.#start(service);
    own.registrations.add(registration);
  }

  remove(registration: LocalRegistration): void {
    const { service } = registration.instance;
    const own = this.#services.get(service);
    own?.registrations.delete(registration);
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
    const stop = watchDirectory(this.#files.serviceDir(service), () => this.#changed(service), this.#options);
    const own: OwnService = { registrations: new Set(), stop, check: 'idle' };
    this.#services.set(service, own);
    return own;
  }

  async #changed(service: string): Promise<void> {
    const own = this.#services.get(service);
    if (own === undefined) return;
    if (own.check !== 'idle') {
      own.check = 'again';
      return;
    }
    do {
      own.check = 'running';
      await this.#verify(service, own);
    } while ((own.check as OwnService['check']) === 'again');
    own.check = 'idle';
  }

  async #verify(service: string, own: OwnService): Promise<void> {
    try {
      const expected = [...own.registrations];
      const { entries } = await this.#files.entries(service);
      const present = new Set(entries.map(({ file }) => file));
      for (const registration of expected) {
        if (!present.has(registration.file)) await registration.gone();
      }
    } catch (error) {
      this.#options.logger.warn({ service, cause: messageOf(error) }, 'could not read own entries back');
    }
  }
}
