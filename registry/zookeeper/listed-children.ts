/** The children of a service as they were read: what each one is, and the list they make. */
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { decodeInstance } from '../formats/pilotfish.js';
import { patchedSnapshot, snapshotOf } from '../snapshot.js';
import type { ZkErrorCode, ZkNode } from './driver.js';

interface Child {
  readonly mzxid: number;
  readonly instance: Instance | undefined;
}

/** The transaction of a child that was never read. */
const UNREAD = -1;
/** Beyond this share of changed children the list is sorted anew, which is then cheaper. */
const PATCH_SHARE = 0.1;

export class ListedChildren {
  readonly #service: string;
  readonly #children = new Map<string, Child>();
  readonly #rejections = new Map<string, Rejection>();
  /** Since the last snapshot. */
  readonly #changed = new Map<string, Instance | undefined>();
  #last: Snapshot | undefined;
  #revision = 0;

  constructor(service: string) {
    this.#service = service;
  }

  has(name: string): boolean {
    return this.#children.has(name);
  }

  /**
   * What was read of a child: undefined when it is gone, a code when it cannot be read. Data that was read before is not
   * decoded again.
   */
  put(name: string, node: ZkNode | ZkErrorCode | undefined): void {
    if (node === undefined) this.remove(name);
    else if (typeof node === 'string') this.#unreadable(name, node);
    else this.#read(name, node);
  }

  #read(name: string, { data, stat: { mzxid } }: ZkNode): void {
    this.seen(mzxid);
    if (this.#children.get(name)?.mzxid === mzxid) return;
    const decoded = decodeInstance(data, this.#service, name);
    const instance = decoded.ok ? decoded.value : undefined;
    this.#children.set(name, { mzxid, instance });
    this.#noteChange(name, instance);
    if (decoded.ok) this.#rejections.delete(name);
    else this.#rejections.set(name, { entry: name, reason: decoded.error });
  }

  remove(name: string): void {
    if (!this.#children.delete(name)) return;
    this.#rejections.delete(name);
    this.#noteChange(name, undefined);
  }

  /** Forgets all that are not in `names`. */
  keepOnly(names: readonly string[]): void {
    if (this.#children.size === 0) return;
    const present = new Set(names);
    for (const name of this.#children.keys()) if (!present.has(name)) this.remove(name);
  }

  /** The list is at least as new as this transaction. */
  seen(zxid: number): void {
    this.#revision = Math.max(this.#revision, zxid);
  }

  snapshot(): Snapshot {
    const rejected = [...this.#rejections.values()];
    const few = this.#changed.size <= this.#children.size * PATCH_SHARE;
    this.#last =
      this.#last !== undefined && few
        ? patchedSnapshot(this.#last, this.#changed, this.#revision, rejected)
        : snapshotOf(this.#service, this.#instances(), this.#revision, rejected);
    this.#changed.clear();
    return this.#last;
  }

  /** One that cannot be read is rejected like one that makes no sense; it does not spoil the list. */
  #unreadable(name: string, code: ZkErrorCode): void {
    this.#children.set(name, { mzxid: UNREAD, instance: undefined });
    this.#noteChange(name, undefined);
    this.#rejections.set(name, { entry: name, reason: `it cannot be read: ${code}` });
  }

  /** Before the first snapshot everything is new. */
  #noteChange(name: string, instance: Instance | undefined): void {
    if (this.#last !== undefined) this.#changed.set(name, instance);
  }

  *#instances(): Generator<Instance> {
    for (const { instance } of this.#children.values()) if (instance !== undefined) yield instance;
  }
}

/** The list of one service over one session. */
export interface Listing {
  /** The current list. Errors of the session pass through. */
  read(): Promise<Snapshot>;
  /** Reads everything once more without trusting any watch, and returns what is there. */
  reread(): Promise<Snapshot>;
  /** Ends its watches. */
  close(): Promise<void>;
}
