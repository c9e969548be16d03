/**
 * Endpoints from a file: for what is in no registry, for tests, and for the day when the registry is away.
 * `static:endpoints.json?poll=5s`, read again when it changes. It can only be read, so it has no `register` at all.
 */
import { dirname, resolve } from 'node:path';
import { linkedAbort } from '../../runtime/abort.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { describe, reject } from '../../runtime/expected.js';
import type { OperationOptions, RegistryReader, RegistryState, Snapshot } from '../contract.js';
import { watchDirectory } from '../directory-watch.js';
import { isName, NAME_RULE } from '../instance.js';
import type { Backend, BackendContext } from '../open.js';
import { snapshotOf } from '../snapshot.js';
import { durationParam, parseRegistryUrl } from '../url.js';
import { entriesOf } from './entries.js';
import { type Contents, EndpointsFile } from './file.js';

const DEFAULT_POLL_MS = 5000;
const SHORTEST_POLL_MS = 10;

export const backend: Backend = { check: parseStaticUrl, open: openStatic };

/** Opens `static:<path>?poll=5s`; the path is absolute or relative to the working directory. Reads nothing by itself. */
export async function openStatic(text: string, context: BackendContext): Promise<RegistryReader> {
  const { path, pollMs } = parseStaticUrl(text);
  return new StaticRegistry(text, resolve(path), pollMs, context);
}

function parseStaticUrl(text: string): { readonly path: string; readonly pollMs: number } {
  const url = parseRegistryUrl(text, { params: { poll: 'duration' } });
  if (url.path === '') reject('registry', 'the path of a file after static:', 'nothing');
  const pollMs = durationParam(url, 'poll', DEFAULT_POLL_MS);
  if (pollMs < SHORTEST_POLL_MS) reject('registry?poll', `at least ${SHORTEST_POLL_MS}ms`, `${pollMs}ms`);
  return { path: url.path, pollMs };
}

class StaticRegistry implements RegistryReader {
  readonly kind = 'static';
  readonly url: string;
  readonly #file: EndpointsFile;
  readonly #pollMs: number;
  readonly #context: BackendContext;
  readonly #closers = new CloseStack();
  readonly #states = new Emitter<RegistryState>();
  #state: RegistryState = 'connecting';
  #trouble: string | undefined;

  constructor(url: string, path: string, pollMs: number, context: BackendContext) {
    this.url = url;
    this.#file = new EndpointsFile(path);
    this.#pollMs = pollMs;
    this.#context = context;
  }

  get state(): RegistryState {
    return this.#state;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  readonly onState: Event<RegistryState> = this.#states.event;

  async *watch(service: string, { signal }: OperationOptions = {}): AsyncGenerator<Snapshot, void> {
    if (!isName(service)) reject('service', NAME_RULE, describe(service));
    this.#assertOpen();
    const { clock } = this.#context;
    const link = linkedAbort(signal);
    const release = this.#closers.defer(() => link.abort(undefined));
    const changes = new Doorbell();
    const stop = watchDirectory(dirname(this.#file.path), () => changes.ring(), {
      clock,
      pollMs: this.#pollMs,
    });
    let seen: Contents | undefined;
    try {
      while (!link.signal.aborted) {
        const contents = await this.#read();
        if (contents !== seen && !link.signal.aborted) yield this.#snapshot(service, contents);
        seen = contents;
        // The poll finds what happens behind a symlink, in another directory than the one that is watched.
        await changes.wait(clock, this.#pollMs, link.signal);
      }
    } finally {
      stop();
      release();
      link.release();
    }
  }

  async services({ signal }: OperationOptions = {}): Promise<readonly string[]> {
    const { document } = await this.#readFor(signal);
    return [...document.keys()].filter(isName).sort();
  }

  async ping({ signal }: OperationOptions = {}): Promise<void> {
    await this.#readFor(signal);
  }

  async close(): Promise<void> {
    await this.#closers.close();
    this.#move('closed');
  }

  async #readFor(signal: AbortSignal | undefined): Promise<Contents> {
    this.#assertOpen();
    signal?.throwIfAborted();
    return this.#read();
  }

  async #read(): Promise<Contents> {
    try {
      const contents = await this.#file.read();
      this.#trouble = undefined;
      this.#move('connected');
      return contents;
    } catch (error) {
      this.#trouble = messageOf(error);
      if (isPilotfishError(error, 'DENIED')) this.#move('denied');
      else if (this.#state !== 'connecting') this.#move('suspended');
      throw error;
    }
  }

  #snapshot(service: string, { document, revision }: Contents): Snapshot {
    const { instances, rejected } = entriesOf(document, service, this.#file.path);
    return snapshotOf(service, instances, revision, rejected);
  }

  #move(to: RegistryState): void {
    if (this.#state === to || this.#state === 'closed') return;
    this.#state = to;
    this.#states.emit(to);
  }

  #assertOpen(): void {
    if (this.#closers.closed) throw new PilotfishError('CLOSED', 'the registry was closed');
  }
}
