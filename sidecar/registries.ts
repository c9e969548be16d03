/** The registries that a sidecar writes to. A reload may change which, and those that stay keep their sessions. */
import type { Registry } from '../registry/contract.js';
import { openWritable } from '../registry/open.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import type { Random } from '../runtime/random.js';
import type { SidecarMetrics } from './metrics.js';

export interface RegistriesContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: SidecarMetrics;
}

export class Registries {
  readonly #context: RegistriesContext;
  /** By the URL as configured, which may name files with secrets and so is never shown. */
  #open = new Map<string, Registry>();

  constructor(context: RegistriesContext) {
    this.#context = context;
  }

  get all(): readonly Registry[] {
    return [...this.#open.values()];
  }

  /** Opens those that are not open yet. Rejects BAD_INPUT or DRIVER_MISSING, with the same open as before. */
  async open(urls: readonly string[]): Promise<void> {
    const next = new Map(this.#open);
    const opened: Registry[] = [];
    try {
      for (const url of urls) {
        if (next.has(url)) continue;
        const registry = await openWritable(url, this.#context);
        opened.push(registry);
        next.set(url, registry);
      }
    } catch (error) {
      await Promise.all(opened.map((registry) => registry.close()));
      throw error;
    }
    for (const registry of opened) this.#observe(registry);
    this.#open = next;
  }

  /** In the order of `urls`, all of which are open. */
  of(urls: readonly string[]): readonly Registry[] {
    return urls.flatMap((url) => this.#open.get(url) ?? []);
  }

  /** Closes those that `urls` does not name. */
  async closeAllBut(urls: readonly string[]): Promise<void> {
    const leaving = [...this.#open].filter(([url]) => !urls.includes(url));
    for (const [url] of leaving) this.#open.delete(url);
    await Promise.all(leaving.map(([, registry]) => registry.close()));
    for (const [, { url }] of leaving) this.#forget(url);
  }

  close(): Promise<void> {
    return this.closeAllBut([]);
  }

  /** Another one may be shown by the same URL: with another secret, for instance. */
  #forget(url: string): void {
    const { metrics } = this.#context;
    metrics.forgetRegistry(url);
    const other = this.all.find((registry) => registry.url === url);
    if (other !== undefined) metrics.registryState(url, other.state);
  }

  #observe(registry: Registry): void {
    const { logger, metrics } = this.#context;
    metrics.registryState(registry.url, registry.state);
    registry.onState((state) => {
      metrics.registryState(registry.url, state);
      const isWell = state === 'connected' || state === 'closed';
      const cause = registry.trouble && printable(registry.trouble);
      const fields = { registry: registry.url, state, ...(cause !== undefined && { cause }) };
      logger[isWell ? 'info' : 'warn'](fields, 'the registry connection changed');
    });
  }
}
