/** Somebody else who looks at a registry: notes when each instance comes, is marked and goes, by a watch of its own. */
import type { Instance, InstanceStatus, RegistryReader } from '../../registry/contract.js';
import { open } from '../../registry/open.js';
import { type SupervisedWatch, supervise } from '../../registry/supervised.js';
import { systemClock } from '../../runtime/clock.js';
import { systemRandom } from '../../runtime/random.js';
import { eventually } from './world.js';

export interface Sighting {
  readonly id: string;
  /** Undefined for gone. */
  readonly status: InstanceStatus | undefined;
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
}

export class ListWatcher {
  readonly #registry: RegistryReader;
  readonly #watch: SupervisedWatch;
  readonly #sightings: Sighting[] = [];
  readonly #doubles = new Set<string>();
  #now: ReadonlyMap<string, Instance> = new Map();

  private constructor(registry: RegistryReader, service: string) {
    this.#registry = registry;
    this.#watch = supervise(registry, service, { clock: systemClock, random: systemRandom() });
    this.#watch.onUpdate((update) => {
      if (update.type === 'snapshot') this.#note(update.snapshot.instances, performance.now());
    });
  }

  static async of(url: string, service: string): Promise<ListWatcher> {
    const registry = await open(url);
    return new ListWatcher(registry, service);
  }

  /** As listed now, sorted. */
  get ids(): readonly string[] {
    return [...this.#now.keys()].sort();
  }

  /** Ids that one list ever had twice. */
  get doubles(): readonly string[] {
    return [...this.#doubles];
  }

  /** What was seen of that instance since then, oldest first. */
  since(atMs: number, id: string): readonly Sighting[] {
    return this.#sightings.filter((sighting) => sighting.id === id && sighting.atMs >= atMs);
  }

  /** Resolves with when it went, after that moment. */
  async gone(id: string, afterMs: number): Promise<number> {
    const find = () => this.since(afterMs, id).find(({ status }) => status === undefined);
    await eventually(`gone: ${id}`, () => find() !== undefined, 30_000);
    return (find() as Sighting).atMs;
  }

  /** Resolves when exactly these are listed. */
  async sees(ids: readonly string[]): Promise<void> {
    const wanted = [...ids].sort().join();
    await eventually(`listed: ${wanted || 'none'}`, () => this.ids.join() === wanted, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch.close();
    await this.#registry.close();
  }

  #note(instances: readonly Instance[], atMs: number): void {
    const next = new Map<string, Instance>();
    for (const instance of instances) {
      if (next.has(instance.id)) this.#doubles.add(instance.id);
      next.set(instance.id, instance);
    }
    for (const { id, status } of next.values()) {
      if (this.#now.get(id)?.status !== status) this.#sightings.push({ id, status, atMs });
    }
    for (const id of this.#now.keys()) {
      if (!next.has(id)) this.#sightings.push({ id, status: undefined, atMs });
    }
    this.#now = next;
  }
}
