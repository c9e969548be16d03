/**
 * ZooKeeper's operations on a session of our own: what the driver interface asks for, and the rest of the protocol that
 * is of use. Errors are `ZkError` and name the operation and the path, never the data. Every operation takes a `signal`
 * that ends the waiting with its reason; what was sent by then may take effect all the same.
 */
import type { Event } from '../../../runtime/events.js';
import type {
  ZkAcl,
  ZkConnect,
  ZkConnectOptions,
  ZkErrorCode,
  ZkNode,
  ZkReplacing,
  ZkSession,
  ZkStat,
  ZkState,
  ZkTreeEvent,
  ZkTreeReading,
} from '../driver.js';
import { isZkError, ZkError } from '../driver.js';
import type { JuteReader } from './jute.js';
import {
  type MultiOperation,
  type MultiResult,
  readMulti,
  readMultiRead,
  writeMulti,
  writeMultiRead,
} from './multi.js';
import {
  createOperation,
  type NodeKind,
  OP,
  readAcl,
  readStat,
  WATCH_MODE,
  WATCHER_TYPE_ANY,
  type WatchEvent,
  writeAcl,
  writeCreate,
} from './records.js';
import type { WireRequest } from './requests.js';
import { WireSession } from './session.js';
import type { TreeMode, WatchKind } from './watches.js';

export const connectWire: ZkConnect = (options) => new WireClient(options);

export interface ZkOperationOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The ACL default is that of the connection; `ttlMs` is for the kinds that end in `-ttl`. */
export interface CreateOptions extends ZkOperationOptions {
  readonly acl?: readonly ZkAcl[];
  readonly ttlMs?: number;
}

export class WireClient implements ZkSession, ZkReplacing, ZkTreeReading {
  readonly #session: WireSession;
  readonly #acl: readonly ZkAcl[];
  #readsTrees = true;
  /** Whether the server has shown that it reads trees. */
  #knowsTrees = false;
  #probe: Promise<void> | undefined;

  constructor(options: ZkConnectOptions) {
    this.#session = new WireSession(options);
    this.#acl = options.security.acl;
  }

  get id(): string | undefined {
    return this.#session.id;
  }

  get timeoutMs(): number {
    return this.#session.timeoutMs;
  }

  get state(): ZkState {
    return this.#session.state;
  }

  get onState(): Event<ZkState> {
    return this.#session.onState;
  }

  get trouble(): string | undefined {
    return this.#session.trouble;
  }

  get readsTrees(): boolean {
    return this.#readsTrees;
  }

  /** Watched paths and unanswered requests, for tests of leaks. */
  get load(): { readonly watches: number; readonly pending: number } {
    return { watches: this.#session.watches.size, pending: this.#session.pending };
  }

  /**
   * Creates a node of any kind and returns its path, which for a sequential one ends in ten digits. The ACL is set with
   * the creation.
   */
  create(
    path: string,
    data: Uint8Array,
    kind: NodeKind,
    { acl = this.#acl, ttlMs, signal }: CreateOptions = {},
  ): Promise<{ path: string; stat: ZkStat }> {
    return this.#call(createOperation(kind), 'create', path, {
      write: (writer) => writeCreate(writer, { path, data, kind, acl, ttlMs }),
      read: (reader) => ({ path: reader.text(), stat: readStat(reader) }),
      signal,
    });
  }

  delete(path: string, version: number, { signal }: ZkOperationOptions = {}): Promise<void> {
    return this.#call(OP.delete, 'delete', path, {
      write: (writer) => void writer.text(path).int(version),
      read: () => {},
      signal,
    });
  }

  set(path: string, data: Uint8Array, version: number, { signal }: ZkOperationOptions = {}): Promise<ZkStat> {
    return this.#call(OP.setData, 'set', path, {
      write: (writer) => void writer.text(path).bytes(data).int(version),
      read: readStat,
      signal,
    });
  }

  get(path: string, onChange?: () => void, { signal }: ZkOperationOptions = {}): Promise<ZkNode> {
    return this.#watched('get', 'data', path, onChange, {
      operation: OP.getData,
      read: (reader) => ({ data: reader.bytes(), stat: readStat(reader) }),
      signal,
    });
  }

  async exists(
    path: string,
    onChange?: () => void,
    { signal }: ZkOperationOptions = {},
  ): Promise<ZkStat | undefined> {
    try {
      return await this.#watched('exists', 'exists', path, onChange, {
        operation: OP.exists,
        read: readStat,
        signal,
      });
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  children(
    path: string,
    onChange?: () => void,
    { signal }: ZkOperationOptions = {},
  ): Promise<{ names: readonly string[]; stat: ZkStat }> {
    return this.#watched('children', 'children', path, onChange, {
      operation: OP.getChildren2,
      read: (reader) => ({ names: reader.list(() => reader.text()), stat: readStat(reader) }),
      signal,
    });
  }

  sync(path: string, { signal }: ZkOperationOptions = {}): Promise<void> {
    return this.#call(OP.sync, 'sync', path, {
      write: (writer) => void writer.text(path),
      read: () => {},
      signal,
    });
  }

  getAcl(
    path: string,
    { signal }: ZkOperationOptions = {},
  ): Promise<{ acl: readonly ZkAcl[]; stat: ZkStat }> {
    return this.#call(OP.getAcl, 'getAcl', path, {
      write: (writer) => void writer.text(path),
      read: (reader) => ({ acl: readAcl(reader), stat: readStat(reader) }),
      signal,
    });
  }

  /** `version` counts the changes of the ACL; -1 for any. */
  setAcl(
    path: string,
    acl: readonly ZkAcl[],
    version: number,
    { signal }: ZkOperationOptions = {},
  ): Promise<ZkStat> {
    return this.#call(OP.setAcl, 'setAcl', path, {
      write: (writer) => {
        writer.text(path);
        writeAcl(writer, acl);
        writer.int(version);
      },
      read: readStat,
      signal,
    });
  }

  /**
   * All of the operations, or none. Resolves with a result for each; when one failed, every result is an error and
   * exactly one of them says why.
   */
  multi(
    operations: readonly MultiOperation[],
    { signal }: ZkOperationOptions = {},
  ): Promise<readonly MultiResult[]> {
    return this.#call(OP.multi, 'multi', operations[0]?.path ?? '', {
      write: (writer) => writeMulti(writer, operations, this.#acl),
      read: readMulti,
      signal,
    });
  }

  async replace(
    path: string,
    data: Uint8Array,
    version: number,
    options: ZkOperationOptions = {},
  ): Promise<void> {
    const results = await this.multi(
      [
        { type: 'delete', path, version },
        { type: 'create', path, data, kind: 'ephemeral' },
      ],
      options,
    );
    for (const result of results) {
      if (result.type === 'error' && result.code !== 'ROLLED_BACK')
        throw new ZkError(result.code, 'replace', path);
    }
  }

  getMany(
    paths: readonly string[],
    { signal }: ZkOperationOptions = {},
  ): Promise<readonly (ZkNode | ZkErrorCode | undefined)[]> {
    const path = paths[0] ?? '';
    return this.#modern('multiRead', path, () =>
      this.#call(OP.multiRead, 'multiRead', path, {
        write: (writer) => writeMultiRead(writer, paths),
        read: readMultiRead,
        signal,
      }),
    );
  }

  watchTree(path: string, onEvent: (event: ZkTreeEvent) => void): Promise<() => Promise<void>> {
    return this.addWatch(path, 'recursive', ({ type, path: changed }) => {
      if (type === 'created' || type === 'changed' || type === 'deleted') onEvent({ type, path: changed });
    });
  }

  /**
   * A watch that stays, over reconnects too. Resolves, once it is armed, with what removes it again. Rejects
   * BAD_ARGUMENTS for a path that this session watches in the other mode: a server keeps one mode for a path.
   */
  async addWatch(
    path: string,
    mode: TreeMode,
    onEvent: (event: WatchEvent) => void,
    { signal }: ZkOperationOptions = {},
  ): Promise<() => Promise<void>> {
    signal?.throwIfAborted();
    // Each call its own listener, so that removing one watch never removes another with the same function.
    const listener = (event: WatchEvent): void => onEvent(event);
    if (!this.#session.watches.addTree(path, mode, listener))
      throw new ZkError('BAD_ARGUMENTS', 'addWatch', path, 'the path is watched in the other mode');
    try {
      await this.#modern('addWatch', path, () =>
        this.#call(OP.addWatch, 'addWatch', path, {
          write: (writer) => void writer.text(path).int(WATCH_MODE[mode]),
          read: () => {},
          signal,
        }),
      );
    } catch (error) {
      void this.#removeWatch(path, listener);
      throw error;
    }
    return () => this.#removeWatch(path, listener);
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  /**
   * Best effort: a connection that ends takes its watches with it. A server removes all watches of the path at once, so
   * whoever waits for one event there is called, and looks again.
   */
  async #removeWatch(path: string, listener: (event: WatchEvent) => void): Promise<void> {
    const { watches } = this.#session;
    if (!watches.removeTree(path, listener)) return;
    try {
      await this.#call(OP.removeWatches, 'removeWatches', path, {
        write: (writer) => void writer.text(path).int(WATCHER_TYPE_ANY),
        read: () => {},
      });
      watches.fire({ type: 'removed', path });
    } catch {}
  }

  /** A read that arms a one-shot watch, which counts from its reply on and not before. */
  #watched<T>(
    name: string,
    kind: WatchKind,
    path: string,
    onChange: (() => void) | undefined,
    { operation, read, signal }: { operation: number; read: (reader: JuteReader) => T } & ZkOperationOptions,
  ): Promise<T> {
    const { watches } = this.#session;
    return this.#session.request({
      operation,
      name,
      path,
      read,
      signal,
      write: (writer) => void writer.text(path).bool(onChange !== undefined),
      onReply: (error) => {
        const armed = error === undefined || (kind === 'exists' && error === 'NO_NODE');
        if (armed && onChange !== undefined && !signal?.aborted) watches.addOnce(kind, path, onChange);
      },
    });
  }

  /**
   * For what servers know since 3.6. An older one refuses and hangs up, and with more requests on their way its answer
   * may be lost; so until one of these went well only one at a time is sent.
   */
  async #modern<T>(name: string, path: string, call: () => Promise<T>): Promise<T> {
    while (this.#probe !== undefined) await this.#probe;
    if (!this.#readsTrees) throw new ZkError('UNIMPLEMENTED', name, path);
    const result = call();
    const learnt = this.#learn(result);
    if (!this.#knowsTrees) this.#probe = learnt;
    return result;
  }

  async #learn(result: Promise<unknown>): Promise<void> {
    try {
      await result;
      this.#knowsTrees = true;
    } catch (error) {
      if (isZkError(error, 'UNIMPLEMENTED')) this.#readsTrees = false;
    } finally {
      this.#probe = undefined;
    }
  }

  #call<T>(
    operation: number,
    name: string,
    path: string,
    body: Pick<WireRequest<T>, 'write' | 'read' | 'signal'>,
  ): Promise<T> {
    return this.#session.request({ operation, name, path, ...body });
  }
}
