/**
 * ZooKeeper's operations on a session of our own: what the driver interface asks for, and the rest of the protocol that
 * is of use. Errors are `ZkError` and name the operation and the path, never the data.
 */

import type { Event } from '../../../runtime/events.js';
import type {
  ZkAcl,
  ZkConnect,
  ZkConnectOptions,
  ZkNode,
  ZkReplacing,
  ZkSession,
  ZkStat,
  ZkState,
  ZkTreeEvent,
  ZkTreeReading,
} from '../driver.js';
import { isZkError, ZkError } from '../driver.js';
import type { JuteReader, JuteWriter } from './jute.js';
import {
  type MultiOperation,
  type MultiResult,
  readMulti,
  readMultiRead,
  writeMulti,
  writeMultiRead,
} from './multi.js';
import {
  type CreateFields,
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
import { WireSession } from './session.js';
import type { WatchKind } from './watches.js';

export const connectWire: ZkConnect = (options) => new WireClient(options);

/** A tree may be watched in two ways: the node alone and its children's names, or everything below it. */
export type TreeMode = keyof typeof WATCH_MODE;

export class WireClient implements ZkSession, ZkReplacing, ZkTreeReading {
  readonly #session: WireSession;
  readonly #acl: readonly ZkAcl[];
  #readsTrees = true;

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

  get readsTrees(): boolean {
    return this.#readsTrees;
  }

  /** Watched paths and unanswered requests, for tests of leaks. */
  get load(): { readonly watches: number; readonly pending: number } {
    return { watches: this.#session.watches.size, pending: this.#session.pending };
  }

  /**
   * Creates a node of any kind and returns its path, which for a sequential one ends in ten digits. `ttlMs` is for the
   * kinds that end in `-ttl`. The ACL is set with the creation; default that of the connection.
   */
  create(
    path: string,
    data: Uint8Array,
    kind: NodeKind,
    options: Partial<Pick<CreateFields, 'acl' | 'ttlMs'>> = {},
  ): Promise<{ path: string; stat: ZkStat }> {
    const fields = { path, data, kind, acl: options.acl ?? this.#acl, ttlMs: options.ttlMs };
    return this.#call(createOperation(kind), 'create', path, {
      write: (writer) => writeCreate(writer, fields),
      read: (reader) => ({ path: reader.text(), stat: readStat(reader) }),
    });
  }

  delete(path: string, version: number): Promise<void> {
    return this.#call(OP.delete, 'delete', path, {
      write: (writer) => void writer.text(path).int(version),
      read: () => {},
    });
  }

  set(path: string, data: Uint8Array, version: number): Promise<ZkStat> {
    return this.#call(OP.setData, 'set', path, {
      write: (writer) => void writer.text(path).bytes(data).int(version),
      read: readStat,
    });
  }

  get(path: string, onChange?: () => void): Promise<ZkNode> {
    return this.#watched('get', 'data', path, onChange, {
      operation: OP.getData,
      read: (reader) => ({ data: reader.bytes(), stat: readStat(reader) }),
    });
  }

  async exists(path: string, onChange?: () => void): Promise<ZkStat | undefined> {
    try {
      return await this.#watched('exists', 'exists', path, onChange, {
        operation: OP.exists,
        read: readStat,
      });
    } catch (error) {
      if (isZkError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  children(path: string, onChange?: () => void): Promise<{ names: readonly string[]; stat: ZkStat }> {
    return this.#watched('children', 'children', path, onChange, {
      operation: OP.getChildren2,
      read: (reader) => ({ names: reader.list(() => reader.text()), stat: readStat(reader) }),
    });
  }

  sync(path: string): Promise<void> {
    return this.#call(OP.sync, 'sync', path, { write: (writer) => void writer.text(path), read: () => {} });
  }

  getAcl(path: string): Promise<{ acl: readonly ZkAcl[]; stat: ZkStat }> {
    return this.#call(OP.getAcl, 'getAcl', path, {
      write: (writer) => void writer.text(path),
      read: (reader) => ({ acl: readAcl(reader), stat: readStat(reader) }),
    });
  }

  setAcl(path: string, acl: readonly ZkAcl[], version: number): Promise<ZkStat> {
    return this.#call(OP.setAcl, 'setAcl', path, {
      write: (writer) => {
        writer.text(path);
        writeAcl(writer, acl);
        writer.int(version);
      },
      read: readStat,
    });
  }

  /**
   * All of the operations, or none. Resolves with a result for each; when one failed, every result is an error and
   * exactly one of them says why.
   */
  async multi(operations: readonly MultiOperation[]): Promise<readonly MultiResult[]> {
    return this.#call(OP.multi, 'multi', operations[0]?.path ?? '', {
      write: (writer) => writeMulti(writer, operations, this.#acl),
      read: readMulti,
    });
  }

  async replace(path: string, data: Uint8Array, version: number): Promise<void> {
    const results = await this.multi([
      { type: 'delete', path, version },
      { type: 'create', path, data, kind: 'ephemeral' },
    ]);
    for (const result of results) {
      if (result.type === 'error' && result.code !== 'ROLLED_BACK' && result.code !== 'OTHER') {
        throw new ZkError(result.code, 'replace', path);
      }
    }
    if (results.some(({ type }) => type === 'error')) throw new ZkError('OTHER', 'replace', path);
  }

  getMany(paths: readonly string[]): Promise<readonly (ZkNode | undefined)[]> {
    return this.#modern(() =>
      this.#call(OP.multiRead, 'multiRead', paths[0] ?? '', {
        write: (writer) => writeMultiRead(writer, paths),
        read: readMultiRead,
      }),
    );
  }

  watchTree(path: string, onEvent: (event: ZkTreeEvent) => void): Promise<() => Promise<void>> {
    return this.addWatch(path, 'recursive', (event) => {
      if (event.type === 'created' || event.type === 'changed' || event.type === 'deleted') {
        onEvent({ type: event.type, path: event.path });
      }
    });
  }

  /** A watch that stays. Resolves, once it is armed, with what removes it again. */
  async addWatch(
    path: string,
    mode: TreeMode,
    onEvent: (event: WatchEvent) => void,
  ): Promise<() => Promise<void>> {
    const { watches } = this.#session;
    watches.addTree(path, onEvent);
    try {
      await this.#modern(() =>
        this.#call(OP.addWatch, 'addWatch', path, {
          write: (writer) => void writer.text(path).int(WATCH_MODE[mode]),
          read: () => {},
        }),
      );
    } catch (error) {
      watches.removeTree(path, onEvent);
      throw error;
    }
    return async () => {
      if (watches.removeTree(path, onEvent)) await this.#forget(path);
    };
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  /** Best effort: a connection that ends takes its watches with it. */
  async #forget(path: string): Promise<void> {
    await this.#call(OP.removeWatches, 'removeWatches', path, {
      write: (writer) => void writer.text(path).int(WATCHER_TYPE_ANY),
      read: () => {},
    }).catch(() => {});
  }

  /** A read that arms a one-shot watch, which counts from its reply on and not before. */
  #watched<T>(
    name: string,
    kind: WatchKind,
    path: string,
    onChange: (() => void) | undefined,
    { operation, read }: { operation: number; read: (reader: JuteReader) => T },
  ): Promise<T> {
    const { watches } = this.#session;
    return this.#session.request({
      operation,
      name,
      path,
      read,
      write: (writer) => void writer.text(path).bool(onChange !== undefined),
      onReply: (error) => {
        const armed = error === undefined || (kind === 'exists' && error === 'NO_NODE');
        if (armed && onChange !== undefined) watches.addOnce(kind, path, onChange);
      },
    });
  }

  async #modern<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (isZkError(error, 'UNIMPLEMENTED')) this.#readsTrees = false;
      throw error;
    }
  }

  #call<T>(
    operation: number,
    name: string,
    path: string,
    body: { write: (writer: JuteWriter) => void; read: (reader: JuteReader) => T },
  ): Promise<T> {
    return this.#session.request({ operation, name, path, ...body });
  }
}
