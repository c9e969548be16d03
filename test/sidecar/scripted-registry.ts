/** A registry in memory whose every call a test can fail, delay or contradict. For state machines, not for proof. */
import type {
  Confirmation,
  Instance,
  LostReason,
  OperationOptions,
  Registration,
  Registry,
  RegistryState,
  Snapshot,
} from '../../registry/contract.js';
import { abortable } from '../../runtime/abort.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import { Emitter } from '../../runtime/events.js';

export type Call = 'register' | 'update' | 'confirm' | 'close';

export class ScriptedRegistry implements Registry {
  readonly kind = 'scripted';
  readonly url = 'scripted:';
  state: RegistryState = 'connected';
  readonly onState = new Emitter<RegistryState>().event;
  /** What the registry holds, by id. */
  readonly entries = new Map<string, Instance>();
  /** Every call in order, such as `register a`. */
  readonly calls: string[] = [];
  /** Consulted before each call takes effect: reject to fail it, stay pending to hang it. */
  before: (call: Call, signal: AbortSignal | undefined) => Promise<void> = async () => {};
  confirmation: Confirmation = 'present';
  /** What a register that failed has left, until it is gone. */
  left: Promise<void> | undefined;
  readonly handles: ScriptedRegistration[] = [];
  readonly #vacated = new Emitter<void>();

  async register(instance: Instance, { signal }: OperationOptions = {}): Promise<ScriptedRegistration> {
    this.calls.push(`register ${instance.id}`);
    await this.before('register', signal);
    signal?.throwIfAborted();
    this.entries.set(instance.id, instance);
    const handle = new ScriptedRegistration(this, instance);
    this.handles.push(handle);
    return handle;
  }

  leftovers(): Promise<void> | undefined {
    return this.left;
  }

  /** The last registration, as if the registry had ended it. One that was taken is there, and not ours. */
  lose(reason: LostReason): void {
    const handle = this.handles.at(-1) as ScriptedRegistration;
    if (reason !== 'taken') this.entries.delete(handle.instance.id);
    handle.lose(reason);
  }

  /** The other process that took the id is gone. */
  vacate(id: string): void {
    this.entries.delete(id);
    this.#vacated.emit();
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    while (!signal?.aborted) {
      const instances = [...this.entries.values()];
      const changed = new Promise<void>((resolve) => void this.#vacated.event(resolve));
      yield { service, instances, revision: 1, rejected: [] };
      await abortable(changed, signal).catch(() => {});
    }
  }

  async services(): Promise<readonly string[]> {
    return [];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}

export class ScriptedRegistration implements Registration {
  readonly #registry: ScriptedRegistry;
  readonly #lost: Deferred<LostReason> = deferred();
  #isClosed = false;
  instance: Instance;

  constructor(registry: ScriptedRegistry, instance: Instance) {
    this.#registry = registry;
    this.instance = instance;
  }

  get lost(): Promise<LostReason> {
    return this.#lost.promise;
  }

  /** From the moment in which it was asked to close, whatever came of that: nothing keeps its entry alive any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  lose(reason: LostReason): void {
    if (!this.#isClosed) this.#lost.resolve(reason);
  }

  async update(instance: Instance, { signal }: OperationOptions = {}): Promise<void> {
    this.#registry.calls.push(`update ${instance.id}`);
    if (this.#isClosed) throw new PilotfishError('CLOSED', `the registration of ${instance.id} is over`);
    await this.#registry.before('update', signal);
    this.#registry.entries.set(instance.id, instance);
    this.instance = instance;
  }

  async confirm({ signal }: OperationOptions = {}): Promise<Confirmation> {
    this.#registry.calls.push(`confirm ${this.instance.id}`);
    await this.#registry.before('confirm', signal);
    return this.#isClosed ? 'absent' : this.#registry.confirmation;
  }

  async close({ signal }: OperationOptions = {}): Promise<void> {
    this.#registry.calls.push(`close ${this.instance.id}`);
    this.#isClosed = true;
    await this.#registry.before('close', signal);
    this.#registry.entries.delete(this.instance.id);
  }
}
