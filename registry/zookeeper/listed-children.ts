/** The children of a service as they were read: what each one is, and the list they make. */
import { nextTurn } from '../../runtime/next-turn.js';
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { idOfName } from '../formats/entry-name.js';
import type { Companions, Entry, Format } from '../formats/format.js';
import { hintFor } from '../formats/guess.js';
import { sequenceOf } from '../formats/sequence.js';
import { patchedSnapshot, snapshotOf } from '../snapshot.js';
import type { ZkErrorCode, ZkNode, ZkStat } from './driver.js';
import { Newest } from './newest.js';
import { ZK_FORMATS } from './settings.js';

/** What a listing lists. */
export interface Listed {
  readonly service: string;
  /** The node whose children are the entries. */
  readonly path: string;
  readonly format: Format;
}

interface Child {
  readonly mzxid: number;
  readonly instance: Instance | undefined;
}

/** The transaction of a child that was never read. */
const UNREAD = -1;
/** Names that say everything, decoded in one turn of the event loop. */
const NAMES_A_TURN = 500;
/** Beyond this share of changed children the list is sorted anew, which is then cheaper. */
const PATCH_SHARE = 0.1;

export class ListedChildren {
  readonly #service: string;
  readonly #format: Format;
  readonly #children = new Map<string, Child>();
  readonly #rejections = new Map<string, Rejection>();
  /** What says something about the others; empty for a format that has no such entries. */
  readonly #companions = new Map<string, Entry>();
  /** Only where two children may have one id. */
  readonly #newest: Newest | undefined;
  /** Since the last snapshot: ids, each with its instance now. */
  readonly #changed = new Map<string, Instance | undefined>();
  #last: Snapshot | undefined;
  #revision = 0;

  constructor({ service, format }: Listed) {
    this.#service = service;
    this.#format = format;
    this.#newest = format.nameIsId ? undefined : new Newest();
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

  /** A child of a format whose names say it all. @param stat Where it was asked for. */
  putName(name: string, stat?: ZkStat): void {
    if (stat !== undefined) this.seen(stat.czxid);
    if (!this.has(name)) this.#decode({ name, data: undefined }, undefined, 0, sequenceOf(name));
  }

  /** Those of a whole list, so many in one turn of the event loop. */
  async putNames(names: readonly string[]): Promise<void> {
    for (const [at, name] of names.entries()) {
      if (at > 0 && at % NAMES_A_TURN === 0) await nextTurn();
      this.putName(name);
    }
  }

  remove(name: string): void {
    const child = this.#children.get(name);
    if (child === undefined) return;
    this.#children.delete(name);
    this.#companions.delete(name);
    this.#rejections.delete(name);
    this.#forget(name, child);
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
    return this.#companions.size === 0 ? this.#last : this.#adjusted(this.#last);
  }

  #read(name: string, { data, stat: { czxid, mzxid } }: ZkNode): void {
    this.seen(mzxid);
    const before = this.#children.get(name);
    if (before?.mzxid === mzxid) return;
    if (!this.#format.companions?.owns(name)) this.#decode({ name, data }, before, mzxid, czxid);
    else {
      this.#companions.set(name, { name, data });
      this.#children.set(name, { mzxid, instance: undefined });
      this.#rejections.delete(name);
    }
  }

  #decode(entry: Entry, before: Child | undefined, mzxid: number, createdAt: number): void {
    const { name } = entry;
    const decoded = this.#format.decode(entry, this.#service);
    const instance = decoded.ok ? decoded.value : undefined;
    this.#children.set(name, { mzxid, instance });
    if (before !== undefined && before.instance?.id !== instance?.id) this.#forget(name, before);
    if (instance !== undefined) this.#note(name, createdAt, instance);
    if (decoded.ok) this.#rejections.delete(name);
    else this.#reject(name, `${decoded.error}${hintFor(entry, this.#format.name, ZK_FORMATS)}`, before);
  }

  /** One that cannot be read is rejected like one that makes no sense; it does not spoil the list. */
  #unreadable(name: string, code: ZkErrorCode): void {
    const before = this.#children.get(name);
    if (before !== undefined) this.#forget(name, before);
    this.#companions.delete(name);
    this.#children.set(name, { mzxid: UNREAD, instance: undefined });
    this.#reject(name, `it cannot be read: ${code}`, before);
  }

  #reject(name: string, reason: string, before: Child | undefined): void {
    const known = before?.instance?.id ?? this.#rejections.get(name)?.id;
    this.#rejections.set(name, { entry: name, reason, id: this.#format.nameIsId ? idOfName(name) : known });
  }

  #note(name: string, createdAt: number, instance: Instance): void {
    this.#newest?.put(name, createdAt, instance);
    this.#noteChange(instance.id, instance);
  }

  #forget(name: string, { instance }: Child): void {
    if (instance === undefined) return;
    this.#newest?.remove(name, instance.id);
    this.#noteChange(instance.id, undefined);
  }

  /** Before the first snapshot everything is new. */
  #noteChange(id: string, instance: Instance | undefined): void {
    if (this.#last === undefined) return;
    this.#changed.set(id, this.#newest === undefined ? instance : this.#newest.of(id));
  }

  #instances(): Iterable<Instance> {
    return this.#newest?.all() ?? this.#instancesByName();
  }

  *#instancesByName(): Generator<Instance> {
    for (const { instance } of this.#children.values()) if (instance !== undefined) yield instance;
  }

  /** The list as the companions say it is; they are few, and whoever has them has no long list. */
  #adjusted(list: Snapshot): Snapshot {
    const { adjust } = this.#format.companions as Companions;
    const companions = [...this.#companions.values()];
    const listed = new Set(list.instances);
    const instances: Instance[] = [];
    for (const [name, { instance }] of this.#children) {
      if (instance !== undefined && listed.has(instance))
        instances.push(adjust({ name, instance }, companions));
    }
    return snapshotOf(list.service, instances, list.revision, list.rejected);
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
