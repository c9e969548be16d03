/** A registry in memory, of one service, whose list the benchmarks change. */
import type { Instance, OperationOptions, RegistryReader, Snapshot } from '../registry/contract.js';
import { patchedSnapshot, snapshotOf } from '../registry/snapshot.js';
import { connect, type Policy, type ServiceHandle } from '../resolver/index.js';
import { Emitter } from '../runtime/events.js';
import { Latest } from '../runtime/latest.js';
import { instanceAt, SERVICE } from './endpoints.js';

export class ListRegistry implements RegistryReader {
  readonly kind = 'bench';
  readonly url = 'bench:';
  readonly state = 'connected';
  readonly onState = new Emitter<RegistryReader['state']>().event;
  readonly #lists = new Latest<Snapshot>();
  #snapshot: Snapshot;

  constructor(list: readonly Instance[]) {
    this.#snapshot = snapshotOf(SERVICE, list, 1);
    this.#lists.push(this.#snapshot);
  }

  get revision(): number {
    return this.#snapshot.revision;
  }

  get size(): number {
    return this.#snapshot.instances.length;
  }

  /** A list in which some are more and others less, ready to be sent. */
  next(joining: readonly number[], leaving: readonly number[]): Snapshot {
    const changes = new Map<string, Instance | undefined>();
    for (const index of joining) changes.set(instanceAt(index).id, instanceAt(index));
    for (const index of leaving) changes.set(instanceAt(index).id, undefined);
    return patchedSnapshot(this.#snapshot, changes, this.revision + 1);
  }

  send(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#lists.push(snapshot);
  }

  /** For one watcher. */
  async *watch(_service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    signal?.addEventListener('abort', () => this.#lists.end(), { once: true });
    yield* this.#lists;
  }

  services = async (): Promise<readonly string[]> => [SERVICE];
  ping = async (): Promise<void> => {};
  close = async (): Promise<void> => {};
}

/** A handle that has its list. */
export async function openHandle(registry: RegistryReader, policy: Policy): Promise<ServiceHandle> {
  const handle = (await connect(registry, { policy })).service(SERVICE);
  await handle.ready();
  return handle;
}
