/**
 * A live ephemeral node: knows when it is deleted, taken or expired, and changes or removes only what is its own. An
 * instance that the format hides has no node for as long, and is registered all the same.
 */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import { asRegistryError, isOver, isZkError, type ZkSession, type ZkState } from './driver.js';
import { isMine } from './entry.js';
import type { Held, Slot } from './slot.js';

export interface ZkRegistrationOptions {
  readonly session: ZkSession;
  readonly slot: Slot;
  /** Makes the tree say this of the instance; undefined where it says nothing, because the format hides it. */
  readonly write: (slot: Slot, instance: Instance) => Promise<Held | undefined>;
  readonly clock: Clock;
  /** How long one operation may take. */
  readonly limitMs: number;
  readonly onClose: () => void;
}

export class ZkRegistration implements Registration {
  readonly #options: ZkRegistrationOptions;
  readonly #lost = deferred<LostReason>();
  readonly #unsubscribe: () => void;
  #instance: Instance;
  #held: Held | undefined;
  #over = false;
  /** While an update runs, what happens to the node is its own doing. */
  #updating = false;
  #watcher: (() => void) | undefined;

  /** For what is written already; starts to watch it. */
  constructor(instance: Instance, held: Held | undefined, options: ZkRegistrationOptions) {
    this.#instance = instance;
    this.#held = held;
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
    if (this.#over) throw new PilotfishError('CLOSED', `the registration of ${instance.id} is over`);
    await this.#bounded('updating', signal, async () => {
      if ((await this.confirm()) === 'absent') {
        throw new PilotfishError('CONFLICT', `the entry of ${instance.id} is no longer ours`);
      }
      await this.#write(instance);
    });
    this.#instance = instance;
  }

  async confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    return this.#bounded('reading back', signal, async () => {
      try {
        return await this.#read();
      } catch (error) {
        if (isZkError(error, 'NO_NODE')) return this.#gone(await this.#options.slot.lostReason());
        if (isZkError(error, 'SESSION_OVER')) return this.#gone('expired');
        throw error;
      }
    });
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#end();
    const { session, slot } = this.#options;
    try {
      await this.#bounded('deregistering', signal, () => slot.clear());
    } catch (error) {
      // The server deletes the nodes of a session that is over.
      if (!isOver(session.state)) throw error;
    }
  }

  async #write(instance: Instance): Promise<void> {
    const { slot, write } = this.#options;
    this.#updating = true;
    try {
      this.#held = await write(slot, instance);
    } finally {
      this.#updating = false;
      void this.#nodeMoved();
    }
  }

  async #read(): Promise<Confirmation> {
    const { session } = this.#options;
    if (this.#held === undefined) {
      await session.exists('/');
      return 'present';
    }
    const { data, stat } = await session.get(this.#held.path);
    if (!isMine(session, stat)) return this.#gone('taken');
    return Buffer.from(data).equals(this.#held.data) ? 'present' : 'changed';
  }

  /** Arms a watch on the own node; whatever the newest one reports is looked up, and another armed. */
  async #watchNode({ path }: Held): Promise<void> {
    const { session, slot } = this.#options;
    const stat = await session.exists(path, this.#armed());
    if (this.#updating || this.#held?.path !== path) return;
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
    if (this.#over || this.#updating || this.#held === undefined) return;
    // A broken connection is the business of the session's state, which says how it ended.
    await this.#watchNode(this.#held).catch(() => {});
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
    this.#over = true;
    this.#unsubscribe();
    this.#options.onClose();
  }

  async #bounded<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const { clock, limitMs } = this.#options;
    try {
      return await withDeadline(clock, limitMs, `${what} ${this.#instance.id}`, signal, work);
    } catch (error) {
      throw asRegistryError(error);
    }
  }
}
