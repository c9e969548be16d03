/** The children of a service as they were read: what each one is, and the list they make. */
import type { Instance, Rejection, Snapshot } from '../contract.js';
import { decodeInstance } from '../formats/pilotfish.js';
import { snapshotOf } from '../snapshot.js';
import type { ZkNode } from './driver.js';

interface Child {
  readonly mzxid: number;
  readonly instance: Instance | undefined;
  readonly rejection: Rejection | undefined;
}

export class ListedChildren {
  readonly #service: string;
  readonly #children = new Map<string, Child>();
  #revision = 0;

  constructor(service: string) {
    this.#service = service;
  }

  has(name: string): boolean {
    return this.#children.has(name);
  }

  /** What was read of a child; undefined when it is gone. Data that was read before is not decoded again. */
  put(name: string, node: ZkNode | undefined): void {
    if (node === undefined) {
      this.remove(name);
      return;
    }
    const { mzxid } = node.stat;
    this.seen(mzxid);
    if (this.#children.get(name)?.mzxid === mzxid) return;
    const decoded = decodeInstance(node.data, this.#service, name);
    this.#children.set(name, {
      mzxid,
      instance: decoded.ok ? decoded.value : undefined,
      rejection: decoded.ok ? undefined : { entry: name, reason: decoded.error },
    });
  }

  remove(name: string): void {
    this.#children.delete(name);
  }

  /** Forgets all that are not in `names`. */
  keepOnly(names: readonly string[]): void {
    const present = new Set(names);
    for (const name of this.#children.keys()) if (!present.has(name)) this.#children.delete(name);
  }

  /** The list is at least as new as this transaction. */
  seen(zxid: number): void {
    this.#revision = Math.max(this.#revision, zxid);
  }

  snapshot(): Snapshot {
    const instances: Instance[] = [];
    const rejected: Rejection[] = [];
    for (const { instance, rejection } of this.#children.values()) {
      if (instance !== undefined) instances.push(instance);
      if (rejection !== undefined) rejected.push(rejection);
    }
    return snapshotOf(this.#service, instances, this.#revision, rejected);
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
