/**
 * A live ephemeral node: knows when it is deleted, taken or expired, and changes or removes only what is its own. An
 * instance that the format hides has no node for as long, and is registered all the same.
 */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import { serial } from '../../runtime/serial.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import type { WrittenEntry } from '../formats/format.js';
import { asRegistryError, isOver, isZkError, type ZkSession, type ZkState } from './driver.js';
import { isMine } from './entry.js';
import type { Held, Slot } from './slot.js';

export interface ZkRegistrationOptions {
  readonly session: ZkSession;
  readonly slot: Slot;
  /** What its node is to hold; undefined for an instance that readers of the format must not find. */
  readonly encode: (instance: Instance) => WrittenEntry | undefined;
  readonly clock: Clock;
  /** How long one operation may take. */
  readonly limitMs: number;
  /** Called once, when it is closed or lost. */
  readonly onOver: () => void;
  /** Called once, when what `clear` is to remove may be there although it is closed. */
  readonly onLeft: (clear: () => Promise<void>) => void;
}

export class ZkRegistration implements Registration {
  readonly #options: ZkRegistrationOptions;
  readonly #lost = deferred<LostReason>();
  readonly #inTurn = serial();
  readonly #unsubscribe: () => void;
  #instance: Instance;
  /** What `instance` was written as; undefined where the format hides it. */
  #written: Uint8Array | undefined;
  #over = false;
  #left = false;
  /** From the beginning of an update until one has succeeded: what happens to the node may be its doing. */
  #unsettled = false;
  #watcher: (() => void) | undefined;

  /** For what is written already; starts to watch it. */
  constructor(instance: Instance, options: ZkRegistrationOptions) {
    this.#instance = instance;
    this.#written = options.slot.held?.data;
    this.#options = options;
    this.#unsubscribe = options.session.onState((state) => this.#sessionMoved(state));
    void this.#nodeMoved();
  }

  get instance(): Instance {
    return this.#instance;
  }

  get lost(): Promise<LostReason> {
    return this.#lost.promise;
  }

  async update(instance: Instance, { signal }: OperationOptions = {}): Promise<void> {
    this.#assertLive();
    const entry = this.#options.encode(instance);
    await this.#bounded('updating', signal, async (limited) => {
      this.#assertLive();
      if ((await this.#look()) === 'absent') {
        throw new PilotfishError('CONFLICT', `the entry of ${instance.id} is no longer ours`);
      }
      limited.throwIfAborted();
      await this.#write(entry, instance);
      limited.throwIfAborted();
      this.#instance = instance;
      this.#written = this.#options.slot.held?.data;
    });
  }

  confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    return this.#bounded('reading back', signal, () => this.#look());
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#end();
    const { session, slot } = this.#options;
    try {
      await this.#bounded('deregistering', signal, () => slot.clear());
    } catch (error) {
      // The server deletes the nodes of a session that is over.
      if (isOver(session.state)) return;
      this.#leave();
      throw error;
    }
  }

  /** Others keep the session alive, and with it the node. */
  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#options.onLeft(() => this.#inTurn(() => this.#options.slot.clear()));
  }

  #assertLive(): void {
    if (this.#over) throw new PilotfishError('CLOSED', `the registration of ${this.#instance.id} is over`);
  }

  async #write(entry: WrittenEntry | undefined, instance: Instance): Promise<void> {
    const { slot } = this.#options;
    this.#unsettled = true;
    // Only `register` takes over what others have left.
    await (entry === undefined ? slot.clear() : slot.put(entry, instance));
    this.#unsettled = false;
    void this.#nodeMoved();
  }

  async #look(): Promise<Confirmation> {
    if (this.#over) return 'absent';
    const { slot } = this.#options;
    try {
      return await this.#read(slot.held);
    } catch (error) {
      if (isZkError(error, 'SESSION_OVER')) return this.#gone('expired');
      if (!isZkError(error, 'NO_NODE')) throw error;
      return this.#unsettled ? 'changed' : this.#gone(await slot.lostReason());
    }
  }

  async #read(held: Held | undefined): Promise<Confirmation> {
    if (this.#options.slot.isTaken) return this.#gone('taken');
    const found = held === undefined ? await this.#readNothing() : await this.#readNode(held.path);
    if (found === 'taken') return this.#gone('taken');
    return !this.#unsettled && sameData(found, this.#written) ? 'present' : 'changed';
  }

  async #readNothing(): Promise<undefined> {
    await this.#options.session.exists('/');
  }

  async #readNode(path: string): Promise<Uint8Array | 'taken'> {
    const { session } = this.#options;
    const { data, stat } = await session.get(path);
    return isMine(session, stat) ? data : 'taken';
  }

  /** Arms a watch on the own node; whatever the newest one reports is looked up, and another armed. */
  async #watchNode({ path }: Held): Promise<void> {
    const { session, slot } = this.#options;
    const stat = await session.exists(path, this.#armed());
    if (this.#unsettled || slot.held?.path !== path) return;
    if (stat === undefined) this.#gone(await slot.lostReason());
    else if (!isMine(session, stat)) this.#gone('taken');
  }

  /** The same function until it is called: a driver that holds it still, from before a reconnect, need not hold two. */
  #armed(): () => void {
    const watcher =
      this.#watcher ??
      (() => {
        if (this.#watcher !== watcher) return;
        this.#watcher = undefined;
        void this.#nodeMoved();
      });
    this.#watcher = watcher;
    return watcher;
  }

  async #nodeMoved(): Promise<void> {
    const { held } = this.#options.slot;
    if (this.#over || this.#unsettled || held === undefined) return;
    // A broken connection is the business of the session's state, which says how it ended.
    await this.#watchNode(held).catch(() => {});
  }

  #sessionMoved(state: ZkState): void {
    if (isOver(state)) this.#gone('expired');
    // A watch that fired while disconnected is not reported again: look.
    else if (state === 'connected') void this.#nodeMoved();
  }

  #gone(reason: LostReason): 'absent' {
    if (!this.#over) this.#lost.resolve(reason);
    this.#end();
    return 'absent';
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unsubscribe();
    this.#options.onOver();
  }

  /**
   * One at a time and in order, as nothing ends a write that is on its way: whoever gave it up has its own failure, and
   * what comes after it waits for it. The limit is on the waiting too.
   */
  async #bounded<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, limitMs } = this.#options;
    try {
      return await withDeadline(clock, limitMs, `${what} ${this.#instance.id}`, signal, (limited) =>
        this.#inTurn(() => {
          limited.throwIfAborted();
          return work(limited);
        }),
      );
    } catch (error) {
      throw asRegistryError(error);
    }
  }
}

function sameData(found: Uint8Array | undefined, written: Uint8Array | undefined): boolean {
  if (found === undefined || written === undefined) return found === written;
  return Buffer.from(found).equals(written);
}
