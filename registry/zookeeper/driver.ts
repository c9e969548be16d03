/**
 * What pilotfish needs of a ZooKeeper client, as an interface of our own: several drivers can stand behind it, and the
 * backend's logic is written once. A session is disposable: once expired, denied or closed it is dead for good, and
 * its owner opens another.
 */
import { PilotfishError } from '../../runtime/errors.js';
import type { Event } from '../../runtime/events.js';
import type { HostPort } from '../../runtime/host-port.js';

/**
 * - `connecting`: no session yet.
 * - `connected`: the server answers.
 * - `suspended`: the connection is gone; session and ephemeral nodes live on until the server's timeout.
 * - `expired`: the server gave the session up and deleted its ephemeral nodes.
 * - `denied`: authentication failed.
 * - `closed`: `close()` was called.
 */
export type ZkState = 'connecting' | 'connected' | 'suspended' | 'expired' | 'denied' | 'closed';

export interface ZkStat {
  /** Transaction that created the node, last changed its data, last changed its list of children. */
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  /** Number of changes of the data; starts at 0 for every new node. */
  readonly version: number;
  /** The session that owns the node, in the form of `ZkSession.id`; undefined for a lasting one. */
  readonly owner: string | undefined;
}

export interface ZkSession {
  /** Hexadecimal; undefined until first connected. */
  readonly id: string | undefined;
  /** The session timeout in ms that the server granted, or the one asked for until then. */
  readonly timeoutMs: number;
  readonly state: ZkState;
  readonly onState: Event<ZkState>;

  /** Creates an ephemeral or a lasting node. Errors NODE_EXISTS, NO_NODE (no parent). */
  create(path: string, data: Uint8Array, kind: 'ephemeral' | 'persistent'): Promise<void>;
  /**
   * The names of the children, and one call of `onChange` when they are different; in one operation, so that no change
   * falls between. Error NO_NODE.
   */
  children(path: string, onChange?: () => void): Promise<{ names: readonly string[]; stat: ZkStat }>;
  /** The data, and one call of `onChange` when it changes or the node goes. Error NO_NODE. */
  get(path: string, onChange?: () => void): Promise<{ data: Uint8Array; stat: ZkStat }>;
  /** Undefined when there is no such node; one call of `onChange` when it comes, changes or goes. */
  exists(path: string, onChange?: () => void): Promise<ZkStat | undefined>;
  /** Replaces the data if the version is still that one. Errors BAD_VERSION, NO_NODE. */
  set(path: string, data: Uint8Array, version: number): Promise<ZkStat>;
  /** Deletes the node if the version is still that one. Errors BAD_VERSION, NO_NODE. */
  delete(path: string, version: number): Promise<void>;
  /** Lets the server catch up with its leader before the next read. */
  sync(path: string): Promise<void>;
  /** Ends the session, and with it its ephemeral nodes. Idempotent. */
  close(): Promise<void>;
}

export interface ZkConnectOptions {
  /** IP literals, in the order in which they are to be tried. */
  readonly addresses: readonly HostPort[];
  /** Asked for; the server may grant another. */
  readonly timeoutMs: number;
}

/** Opens a session; connecting goes on in the background for ever. */
export type ZkConnect = (options: ZkConnectOptions) => ZkSession;

export type ZkErrorCode =
  | 'NO_NODE'
  | 'NODE_EXISTS'
  | 'BAD_VERSION'
  /** Not connected, or the connection broke; the outcome of a write is then unknown. */
  | 'CONNECTION_LOSS'
  /** The session is over: expired, denied or closed. */
  | 'SESSION_OVER'
  | 'NO_AUTH'
  | 'OTHER';

/** Names the operation and the path, never the data. */
export class ZkError extends Error {
  readonly code: ZkErrorCode;

  constructor(code: ZkErrorCode, operation: string, path: string, detail = code as string) {
    super(`zookeeper ${operation} ${path}: ${detail}`);
    this.name = 'ZkError';
    this.code = code;
  }
}

export function isZkError(error: unknown, ...codes: readonly ZkErrorCode[]): error is ZkError {
  return error instanceof ZkError && (codes.length === 0 || codes.includes(error.code));
}

/** The error as the registry contract knows it. */
export function asRegistryError(error: unknown): unknown {
  if (!isZkError(error)) return error;
  const code = error.code === 'NO_AUTH' ? 'DENIED' : 'UNAVAILABLE';
  return new PilotfishError(code, error.message, { cause: error });
}
