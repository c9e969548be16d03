// @ts-check
// A registry of your own: all that the contract asks for, kept in the memory of one process. To copy for a backend of
// another kind, and of use in tests as it is: `connect(new MemoryRegistry(new Memory()))`.
//
// `pilotfish/testing` holds the contract as two suites of named functions. test/examples/custom-backend.test.ts runs
// them on this file; do the same on yours.
import {
  decodeInstance,
  describe,
  Emitter,
  encodeInstance,
  isName,
  Latest,
  NAME_RULE,
  PilotfishError,
  reject,
  snapshotOf,
} from 'pilotfish/registry';

/**
 * @typedef {import('pilotfish/registry').Instance} Instance
 * @typedef {import('pilotfish/registry').LostReason} LostReason
 * @typedef {import('pilotfish/registry').Registration} Registration
 * @typedef {import('pilotfish/registry').Registry} Registry
 * @typedef {import('pilotfish/registry').RegistryState} RegistryState
 * @typedef {{ data: Uint8Array, onGone?: (why: LostReason) => void }} Entry
 */

/** What a server would hold: entries by service and id. Several registries may share one. */
export class Memory {
  revision = 0;
  /** @type {Map<string, Map<string, Entry>>} */
  services = new Map();
  /** Fires with the name of the service. @type {Emitter<string>} */
  changes = new Emitter();

  /** Writes an entry, or deletes it where none is given; whoever owned the one before is told. */
  write(/** @type {string} */ service, /** @type {string} */ id, /** @type {Entry | undefined} */ entry) {
    const entries = this.services.get(service) ?? new Map();
    const before = entries.get(id);
    if (entry === undefined) entries.delete(id);
    else this.services.set(service, entries.set(id, entry));
    if (entries.size === 0) this.services.delete(service);
    this.revision++;
    if (before !== entry) before?.onGone?.(entry === undefined ? 'deleted' : 'taken');
    this.changes.emit(service);
  }

  /** The whole list at this moment. What is no instance is named and left out. */
  list(/** @type {string} */ service) {
    const found = [...(this.services.get(service) ?? [])].map(([id, { data }]) => ({
      id,
      result: decodeInstance(data, service, id),
    }));
    const instances = found.flatMap(({ result }) => (result.ok ? [result.value] : []));
    const rejected = found.flatMap(({ id, result }) =>
      result.ok ? [] : [{ entry: id, reason: result.error, id }],
    );
    return snapshotOf(service, instances, this.revision, rejected);
  }
}

/** @implements {Registry} */
export class MemoryRegistry {
  kind = 'memory';
  url = 'memory:';
  /** @type {RegistryState} */
  state = 'connected';
  /** @type {Emitter<RegistryState>} */
  #states = new Emitter();
  onState = this.#states.event;
  #memory;
  /** Ends whatever was started here and still runs. @type {Set<() => unknown>} */
  #ends = new Set();

  constructor(/** @type {Memory} */ memory) {
    this.#memory = memory;
  }

  /** The list, and again after each change, until the signal aborts or the registry closes. @type {Registry['watch']} */
  async *watch(service, { signal } = {}) {
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    this.#assertOpen();
    const news = new Latest();
    const end = () => news.end();
    const stop = this.#memory.changes.event((changed) => changed === service && news.push(true));
    this.#ends.add(end);
    signal?.addEventListener('abort', end);
    try {
      if (signal?.aborted) return;
      yield this.#memory.list(service);
      for await (const _ of news) yield this.#memory.list(service);
    } finally {
      stop();
      this.#ends.delete(end);
      signal?.removeEventListener('abort', end);
    }
  }

  /** @type {Registry['register']} */
  async register(instance, { signal } = {}) {
    this.#assertOpen();
    signal?.throwIfAborted();
    const registration = new MemoryRegistration(this.#memory, instance);
    this.#ends.add(() => registration.close());
    return registration;
  }

  async services() {
    this.#assertOpen();
    return [...this.#memory.services.keys()].filter(isName).sort();
  }

  async ping() {
    this.#assertOpen();
  }

  async close() {
    if (this.state === 'closed') return;
    this.state = 'closed';
    await Promise.all([...this.#ends].map((end) => end()));
    this.#states.emit('closed');
  }

  #assertOpen() {
    if (this.state === 'closed') throw new PilotfishError('CLOSED', 'the registry was closed');
  }
}

/** One entry and its owner. Nothing goes on after `close`. @implements {Registration} */
class MemoryRegistration {
  #memory;
  #closed = false;
  /** @type {(why: LostReason) => void} */
  #lose = () => {};
  /** @type {Promise<LostReason>} */
  lost = new Promise((resolve) => {
    this.#lose = resolve;
  });
  /** @type {Entry} */
  #entry = { data: Buffer.of(), onGone: (why) => this.#closed || this.#lose(why) };

  constructor(/** @type {Memory} */ memory, /** @type {Instance} */ instance) {
    this.#memory = memory;
    this.instance = instance;
    this.#write(instance);
  }

  /** @type {Registration['update']} */
  async update(instance, { signal } = {}) {
    signal?.throwIfAborted();
    if (this.#closed) throw new PilotfishError('CLOSED', 'the registration was closed');
    if (!this.#isThere()) throw new PilotfishError('UNAVAILABLE', 'the entry is gone');
    this.#write(instance);
  }

  /** @type {Registration['confirm']} */
  async confirm() {
    return this.#isThere() ? 'present' : 'absent';
  }

  /** @type {Registration['close']} */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#isThere()) this.#memory.write(this.instance.service, this.instance.id, undefined);
  }

  #isThere() {
    const { service, id } = this.instance;
    return this.#memory.services.get(service)?.get(id) === this.#entry;
  }

  #write(/** @type {Instance} */ instance) {
    this.#entry.data = encodeInstance(instance);
    this.instance = instance;
    this.#memory.write(instance.service, instance.id, this.#entry);
  }
}
