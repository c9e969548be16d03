/** A node whose name follows from the instance: it is taken over in place, and moves when the instance's name does. */
import type { Instance, LostReason } from '../contract.js';
import type { WrittenEntry } from '../formats/format.js';
import { claim, holds, ignore, unclaim } from './entry.js';
import type { Held, Place, Slot } from './slot.js';

export class FixedSlot implements Slot {
  readonly #place: Place;
  /** Every path that was asked for and not yet cleared, as the outcome of asking may be unknown. */
  readonly #paths = new Set<string>();
  #held: Held | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  get held(): Held | undefined {
    return this.#held;
  }

  get isTaken(): boolean {
    return this.#held !== undefined && this.#isTaken(this.#held.path);
  }

  async put({ name, data }: WrittenEntry, instance: Instance): Promise<void> {
    const { session } = this.#place;
    const path = this.#claim(name);
    await claim(session, path, data, this.#isAnothers(name, instance));
    this.#held = { path, data };
    for (const other of this.#paths) if (other !== path) await this.#remove(other);
  }

  async hide({ name }: WrittenEntry, instance: Instance): Promise<void> {
    const { session } = this.#place;
    const path = this.#claim(name);
    const isAnothers = this.#isAnothers(name, instance);
    const found = await session.exists(path);
    if (found !== undefined && !(isAnothers !== undefined && (await holds(session, path, isAnothers)))) {
      await session.delete(path, found.version).catch(ignore('NO_NODE', 'BAD_VERSION'));
    }
    await this.clear();
  }

  async clear(): Promise<void> {
    this.#held = undefined;
    for (const path of this.#paths) await this.#remove(path);
  }

  async lostReason(): Promise<LostReason> {
    return 'deleted';
  }

  #claim(name: string): string {
    const { folder, claims } = this.#place;
    const path = `${folder}/${name}`;
    claims.take(path, this);
    this.#paths.add(path);
    return path;
  }

  #isTaken(path: string): boolean {
    return this.#place.claims.isTakenFrom(path, this);
  }

  async #remove(path: string): Promise<void> {
    const { session, claims } = this.#place;
    await unclaim(session, path, () => this.#isTaken(path));
    claims.release(path, this);
    this.#paths.delete(path);
  }

  #isAnothers(name: string, instance: Instance): ((data: Uint8Array) => boolean) | undefined {
    const { isAnothers } = this.#place.format;
    return isAnothers && ((data) => isAnothers({ name, data }, instance));
  }
}
