/**
 * A node whose name the server completes with a number. Such nodes are never changed: the new one is created first, then
 * the older ones of the same instance are deleted, those of earlier sessions too. Readers take the newest, so the
 * instance is never missing. Entries of other ids, and of other software, are left alone.
 */
import type { LostReason } from '../contract.js';
import type { WrittenEntry } from '../formats/format.js';
import { sequenceOf } from '../formats/sequence.js';
import { createEphemeral, ignore, isMine } from './entry.js';
import type { Siblings } from './siblings.js';
import type { Held, Slot } from './slot.js';

/** The data of such a node has one version. */
const ANY_VERSION = -1;

export class SequentialSlot implements Slot {
  readonly #siblings: Siblings;
  readonly #id: string;
  /** What is claimed; no node has such a path. */
  readonly #claimed: string;
  #held: Held | undefined;

  /** @param siblings shared by all slots of the folder */
  constructor(siblings: Siblings, id: string) {
    this.#siblings = siblings;
    this.#id = id;
    const { folder, format } = siblings.place;
    this.#claimed = `${folder}//${format.name}/${id}`;
  }

  get held(): Held | undefined {
    return this.#held;
  }

  get isTaken(): boolean {
    return this.#held !== undefined && this.#isTakenNow();
  }

  async put({ name, data }: WrittenEntry): Promise<void> {
    const { session, folder, claims } = this.#siblings.place;
    claims.take(this.#claimed, this);
    const { path } = await createEphemeral(session, `${folder}/${name}`, data, 'ephemeral-sequential');
    this.#siblings.know(path, this.#id);
    this.#held = { path, data };
    await this.#deleteAll((each) => sequenceOf(each) < sequenceOf(path));
  }

  async hide(): Promise<void> {
    this.#siblings.place.claims.take(this.#claimed, this);
    this.#held = undefined;
    await this.#deleteAll(() => true);
  }

  async clear(): Promise<void> {
    const { session, claims } = this.#siblings.place;
    this.#held = undefined;
    for (const path of await this.#siblings.of(this.#id)) {
      const stat = await session.exists(path);
      if (this.#isTakenNow()) return;
      if (stat !== undefined && isMine(session, stat)) await this.#delete(path);
    }
    claims.release(this.#claimed, this);
  }

  /** An entry of the same instance in another session is another process's. */
  async lostReason(): Promise<LostReason> {
    if (this.#isTakenNow()) return 'taken';
    const { session } = this.#siblings.place;
    for (const path of await this.#siblings.of(this.#id)) {
      const stat = await session.exists(path);
      if (stat !== undefined && !isMine(session, stat)) return 'taken';
    }
    return 'deleted';
  }

  #isTakenNow(): boolean {
    return this.#siblings.place.claims.isTakenFrom(this.#claimed, this);
  }

  async #deleteAll(isOld: (path: string) => boolean): Promise<void> {
    for (const path of await this.#siblings.of(this.#id)) if (isOld(path)) await this.#delete(path);
  }

  async #delete(path: string): Promise<void> {
    await this.#siblings.place.session.delete(path, ANY_VERSION).catch(ignore('NO_NODE'));
  }
}
