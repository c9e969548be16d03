/** The keys of a service as they were read and as the watch changed them since, and the list they make. */
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { idOfName } from '../formats/entry-name.js';
import type { Format } from '../formats/format.js';
import { hintFor } from '../formats/guess.js';
import { patchedSnapshot, snapshotOf } from '../snapshot.js';
import type { KeyValue, WatchEvent } from './decode.js';
import { ETCD_FORMATS } from './settings.js';

/** One key, read. */
export interface Item {
  readonly name: string;
  readonly modRevision: number;
  readonly instance: Instance | undefined;
  readonly rejection: Rejection | undefined;
}

/** Beyond this share of changed keys the list is sorted anew, which is then cheaper. */
const PATCH_SHARE = 0.1;

export class ListedKeys {
  readonly #service: string;
  readonly #prefix: string;
  readonly #format: Pick<Format, 'name' | 'nameIsId' | 'decode'>;
  readonly #items = new Map<string, Item>();
  /** By id, since the last snapshot. */
  readonly #changed = new Map<string, Instance | undefined>();
  readonly #rejected = new Map<string, Rejection>();
  #last: Snapshot | undefined;
  /** Everything up to this revision is in. */
  #revision = 0;

  constructor(service: string, prefix: string, format: Pick<Format, 'name' | 'nameIsId' | 'decode'>) {
    this.#service = service;
    this.#prefix = prefix;
    this.#format = format;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Decodes a key, unless it is as it was. Changes nothing. */
  read(kv: KeyValue): Item {
    const { modRevision, value } = kv;
    const name = kv.key.slice(this.#prefix.length);
    const known = this.#items.get(name);
    if (known !== undefined && known.modRevision === modRevision) return known;
    const entry = { name, data: value };
    const decoded = this.#format.decode(entry, this.#service);
    if (decoded.ok) return { name, modRevision, instance: decoded.value, rejection: undefined };
    const reason = `${decoded.error}${hintFor(entry, this.#format.name, ETCD_FORMATS)}`;
    const id = this.#format.nameIsId ? idOfName(name) : (known?.instance?.id ?? known?.rejection?.id);
    return { name, modRevision, instance: undefined, rejection: { entry: name, reason, id } };
  }

  /** The whole list at a revision. One that is older than what is known already changes nothing. */
  replace(items: readonly Item[], revision: number): void {
    if (revision < this.#revision) return;
    if (this.#items.size > 0) this.#keepOnly(new Set(items.map(({ name }) => name)));
    for (const item of items) this.#put(item);
    this.#revision = revision;
  }

  /** The events of one message, in order. What is in already, or older, is left out: etcd 3.4 repeats and goes back. */
  apply(events: readonly WatchEvent[]): boolean {
    const known = this.#revision;
    for (const { type, kv } of events) {
      if (kv.modRevision <= known || !kv.key.startsWith(this.#prefix)) continue;
      if (type === 'delete') this.#remove(kv.key.slice(this.#prefix.length));
      else this.#put(this.read(kv));
      this.#revision = Math.max(this.#revision, kv.modRevision);
    }
    return this.#revision > known;
  }

  snapshot(): Snapshot {
    const rejected = [...this.#rejected.values()];
    const few = this.#changed.size <= this.#items.size * PATCH_SHARE;
    this.#last =
      this.#last !== undefined && few
        ? patchedSnapshot(this.#last, this.#changed, this.#revision, rejected)
        : snapshotOf(this.#service, this.#instances(), this.#revision, rejected);
    this.#changed.clear();
    return this.#last;
  }

  #put(item: Item): void {
    const { name, instance, rejection } = item;
    const before = this.#items.get(name);
    if (before === item) return;
    this.#items.set(name, item);
    if (before?.instance !== undefined) this.#noteChange(before.instance.id, undefined);
    if (instance !== undefined) this.#noteChange(instance.id, instance);
    if (rejection === undefined) this.#rejected.delete(name);
    else this.#rejected.set(name, rejection);
  }

  #keepOnly(present: ReadonlySet<string>): void {
    for (const name of [...this.#items.keys()]) if (!present.has(name)) this.#remove(name);
  }

  #remove(name: string): void {
    const before = this.#items.get(name);
    if (!this.#items.delete(name)) return;
    this.#rejected.delete(name);
    if (before?.instance !== undefined) this.#noteChange(before.instance.id, undefined);
  }

  /** Before the first snapshot everything is new. */
  #noteChange(id: string, instance: Instance | undefined): void {
    if (this.#last !== undefined) this.#changed.set(id, instance);
  }

  *#instances(): Generator<Instance> {
    for (const { instance } of this.#items.values()) if (instance !== undefined) yield instance;
  }
}
