/** A live ephemeral node: knows when it is deleted, taken or expired, and changes or removes only what is its own. */
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Confirmation, Instance, LostReason, OperationOptions, Registration } from '../contract.js';
import { encodeInstance } from '../formats/pilotfish.js';
import { asRegistryError, isOver, isZkError, type ZkSession, type ZkState } from './driver.js';
import { claim, isMine, unclaim } from './entry.js';

export interface ZkRegistrationOptions {
  readonly session: ZkSession;
  readonly path: string;
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
  #over = false;
  #watcher: (() => void) | undefined;

  /** For a node that is claimed already; starts to watch it. */
  constructor(instance: Instance, options: ZkRegistrationOptions) {
    this.#instance = instance;
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
      await claim(this.#options.session, this.#options.path, encodeInstance(instance));
    });
    this.#instance = instance;
  }

  async confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    const { session, path } = this.#options;
    return this.#bounded('reading back', signal, async () => {
      try {
        const { data, stat } = await session.get(path);
        if (!isMine(session, stat)) return this.#gone('taken');
        return Buffer.from(data).equals(encodeInstance(this.#instance)) ? 'present' : 'changed';
      } catch (error) {
        if (isZkError(error, 'NO_NODE')) return this.#gone('deleted');
        if (isZkError(error, 'SESSION_OVER')) return this.#gone('expired');
        throw error;
      }
    });
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#end();
    const { session, path } = this.#options;
    try {
      await this.#bounded('deregistering', signal, () => unclaim(session, path));
    } catch (error) {
      // The server deletes the nodes of a session that is over.
      if (!isOver(session.state)) throw error;
    }
  }

  /** Arms a watch on the own node; whatever the newest one reports is looked up, and another armed. */
  async #watchNode(): Promise<void> {
    const { session, path } = this.#options;
    const stat = await session.exists(path, this.#armed());
    if (stat === undefined) this.#gone('deleted');
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
    if (this.#over) return;
    // A broken connection is the business of the session's state, which says how it ended.
    await this.#watchNode().catch(() => {});
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
