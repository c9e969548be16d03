/**
 * Which instance each sequential node of a service is of. The name alone may not tell, but such nodes never change, so
 * each is read once; and registrations that look at the same time share a look.
 */
import { coalesced } from '../../runtime/coalesced.js';
import { isZkError } from './driver.js';
import type { Place } from './slot.js';

/** Reads in flight at once. */
const PARALLEL_READS = 64;

export class Siblings {
  readonly place: Place;
  /** By path; undefined for what is no instance. */
  readonly #ids = new Map<string, string | undefined>();
  #paths: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #look = coalesced(() => this.#lookNow());

  constructor(place: Place) {
    this.place = place;
  }

  /** For a node that was just written. */
  know(path: string, id: string): void {
    this.#ids.set(path, id);
  }

  /** The paths of all nodes of the instance, in whatever session, that were there after the call. */
  async of(id: string): Promise<readonly string[]> {
    await this.#look();
    return this.#paths.get(id) ?? [];
  }

  async #lookNow(): Promise<void> {
    const present = await this.#list();
    for (const path of this.#ids.keys()) if (!present.has(path)) this.#ids.delete(path);
    const unread = [...present].filter((path) => !this.#ids.has(path)).values();
    const worker = async (): Promise<void> => {
      for (const path of unread) await this.#read(path);
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, worker));
    const paths = new Map<string, string[]>();
    for (const [path, id] of this.#ids) if (id !== undefined) paths.set(id, [...(paths.get(id) ?? []), path]);
    this.#paths = paths;
  }

  async #list(): Promise<ReadonlySet<string>> {
    const { session, folder } = this.place;
    try {
      const { names } = await session.children(folder);
      return new Set(names.map((name) => `${folder}/${name}`));
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return new Set();
      throw error;
    }
  }

  async #read(path: string): Promise<void> {
    const { session, folder, service, format } = this.place;
    try {
      const data = format.needsData ? (await session.get(path)).data : undefined;
      const decoded = format.decode({ name: path.slice(folder.length + 1), data }, service);
      this.#ids.set(path, decoded.ok ? decoded.value.id : undefined);
    } catch (error) {
      // What is gone, or not for our eyes, is none of ours.
      if (!isZkError(error, 'NO_NODE', 'NO_AUTH', 'TOO_LARGE')) throw error;
    }
  }
}
