/** A registry in memory that a test drives: it says what is listed, and when the watch breaks. */
import type {
  Instance,
  InstanceStatus,
  OperationOptions,
  RegistryReader,
  Rejection,
  Snapshot,
} from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { snapshotOf } from '../../registry/snapshot.js';
import { PilotfishError } from '../../runtime/errors.js';
import { Emitter } from '../../runtime/events.js';
import { Latest } from '../../runtime/latest.js';

export interface Listed {
  readonly id: string;
  readonly host?: string;
  readonly port?: number;
  readonly weight?: number;
  readonly status?: InstanceStatus;
  readonly note?: string;
}

export function instance({ host = '10.0.0.1', port = 80, ...rest }: Listed): Instance {
  const parsed = parseInstance({ service: 'orders', host, port, ...rest });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

/** Instances with these ids, or so many with the ids i0000, i0001, … */
export function instances(ids: number | readonly string[]): Instance[] {
  const names =
    typeof ids === 'number' ? Array.from({ length: ids }, (_, n) => `i${`${n}`.padStart(4, '0')}`) : ids;
  return names.map((id) => instance({ id }));
}

export class MemoryRegistry implements RegistryReader {
  readonly kind: string;
  readonly url: string;
  readonly #states = new Emitter<RegistryReader['state']>();
  readonly onState = this.#states.event;
  readonly #watchers = new Set<Latest<Snapshot>>();
  #lists = new Map<string, Snapshot>();
  #revision = 0;
  #failure: Error | undefined;
  state: RegistryReader['state'] = 'connecting';
  /** How many watches were ever begun. */
  begun = 0;
  closed = false;

  constructor(url = 'memory://10.0.0.1:1') {
    this.url = url;
    this.kind = url.slice(0, url.indexOf(':'));
  }

  /** Watches that are open now. */
  get open(): number {
    return this.#watchers.size;
  }

  list(list: readonly Instance[], rejected: readonly Rejection[] = []): void {
    this.state = 'connected';
    this.#lists.set('orders', snapshotOf('orders', list, ++this.#revision, rejected));
    for (const watcher of this.#watchers) watcher.push(this.#lists.get('orders') as Snapshot);
  }

  /** Breaks every watch, and each new one until `heal`. */
  fail(message: string): void {
    this.state = 'suspended';
    this.#failure = new PilotfishError('UNAVAILABLE', message);
    for (const watcher of this.#watchers) watcher.fail(this.#failure);
  }

  /** Breaks every watch; new ones say nothing before the next list. */
  hang(message: string): void {
    this.#lists.clear();
    for (const watcher of this.#watchers) watcher.fail(new PilotfishError('UNAVAILABLE', message));
  }

  heal(): void {
    this.state = 'connected';
    this.#failure = undefined;
  }

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot> {
    this.begun++;
    if (this.#failure !== undefined) throw this.#failure;
    const lists = new Latest<Snapshot>();
    const known = this.#lists.get(service);
    if (known !== undefined) lists.push(known);
    signal?.addEventListener('abort', () => lists.end(), { once: true });
    this.#watchers.add(lists);
    try {
      yield* lists;
    } finally {
      this.#watchers.delete(lists);
    }
  }

  services = async (): Promise<readonly string[]> => [...this.#lists.keys()];
  ping = async (): Promise<void> => {};
  close = async (): Promise<void> => {
    this.closed = true;
  };
}
