/**
 * What pilotfish needs of a ZooKeeper client, as an interface of our own: several drivers can stand behind it, and the
 * backend's logic is written once. A session is disposable: once expired, denied or closed it is dead for good, and
 * its owner opens another.
 */
import type { Clock } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Event } from '../../runtime/events.js';
import type { HostPort } from '../../runtime/host-port.js';
import type { Logger } from '../../runtime/logger.js';
import type { Random } from '../../runtime/random.js';
import type { TlsFiles } from '../../runtime/tls-files.js';

/**
 * - `connecting`: no session yet.
 * - `connected`: the server answers.
 * - `suspended`: the connection is gone, or in doubt; session and ephemeral nodes live on until the server's timeout.
 * - `expired`: the server gave the session up and deleted its ephemeral nodes.
 * - `denied`: authentication failed.
 * - `closed`: `close()` was called.
 */
export type ZkState = 'connecting' | 'connected' | 'suspended' | 'expired' | 'denied' | 'closed';

/** True when the session is dead for good. */
export function isOver(state: ZkState): boolean {
  return state === 'expired' || state === 'denied' || state === 'closed';
}

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

export interface ZkNode {
  readonly data: Uint8Array;
  readonly stat: ZkStat;
}

/** Who may do what with a node. */
export interface ZkAcl {
  readonly permissions: readonly ('read' | 'write' | 'create' | 'delete' | 'admin')[];
  /** Such as `world`, `auth`, `digest`. */
  readonly scheme: string;
  /** Such as `anyone` for the scheme `world`. */
  readonly id: string;
}

export type ZkNodeKind = 'ephemeral' | 'ephemeral-sequential' | 'persistent';

export interface ZkSession {
  /** Hexadecimal; undefined until first connected. */
  readonly id: string | undefined;
  /** The session timeout in ms that the server granted, or the one asked for until then. */
  readonly timeoutMs: number;
  readonly state: ZkState;
  readonly onState: Event<ZkState>;
  /** Why it is not connected, as last heard of; undefined while it is, or when the driver cannot say. */
  readonly trouble?: string | undefined;

  /**
   * Creates an ephemeral or a lasting node, and resolves with its path, which for a sequential one ends in ten digits more.
   * Errors NODE_EXISTS, NO_NODE (no parent).
   */
  create(path: string, data: Uint8Array, kind: ZkNodeKind): Promise<{ readonly path: string }>;
  /**
   * The names of the children, and one call of `onChange` when they are different; in one operation, so that no change
   * falls between. Error NO_NODE.
   */
  children(path: string, onChange?: () => void): Promise<{ names: readonly string[]; stat: ZkStat }>;
  /** The data, and one call of `onChange` when it changes or the node goes. Error NO_NODE. */
  get(path: string, onChange?: () => void): Promise<ZkNode>;
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

/** What a driver may be able to do as well: atomic replacement of a node. */
export interface ZkReplacing {
  /** Deletes the node at that version and creates an ephemeral one, in one transaction. Errors BAD_VERSION, NO_NODE. */
  replace(path: string, data: Uint8Array, version: number): Promise<void>;
}

/** What a driver may be able to do as well: watching a node with all below it, and reading many at once. */
export interface ZkTreeReading {
  /** False when the server is too old for it, which is known once it was tried. */
  readonly readsTrees: boolean;
  /**
   * Calls `onEvent` for every change at `path` or below it, until the returned function is called or the connection
   * ends; what changes while disconnected is not reported. Error UNIMPLEMENTED on an old server.
   */
  watchTree(path: string, onEvent: (event: ZkTreeEvent) => void): Promise<() => Promise<void>>;
  /**
   * For each of `paths` its node, undefined where there is none, or the code why it cannot be read. Errors UNIMPLEMENTED
   * on an old server, TOO_LARGE when they are too much for one reply.
   */
  getMany(paths: readonly string[]): Promise<readonly (ZkNode | ZkErrorCode | undefined)[]>;
}

export interface ZkTreeEvent {
  readonly type: 'created' | 'changed' | 'deleted';
  readonly path: string;
}

export function canReplace(session: ZkSession): session is ZkSession & ZkReplacing {
  return 'replace' in session;
}

export function canReadTrees(session: ZkSession): session is ZkSession & ZkTreeReading {
  return 'watchTree' in session && (session as ZkSession & ZkTreeReading).readsTrees;
}

/** An address to connect to, and the name it came from, which a TLS certificate has to carry. */
export interface ZkAddress extends HostPort {
  readonly name: string;
}

export interface ZkConnectOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** IP literals, in the order in which they are to be tried. */
  readonly addresses: readonly ZkAddress[];
  /** The addresses as they are now, in a new random order; the last known ones where a name does not resolve. */
  readonly refresh: () => Promise<readonly ZkAddress[]>;
  /** Asked for; the server may grant another. */
  readonly timeoutMs: number;
  readonly security: ZkSecurity;
}

/** How a session proves itself, and to whom. Files are read anew for each connection, so they can be rotated. */
export interface ZkSecurity {
  /** Undefined for plain TCP. */
  readonly tls: TlsFiles | undefined;
  /** `user:password`, or undefined for none. */
  readonly digest: (() => Promise<string>) | undefined;
  /** What every node is created with. */
  readonly acl: readonly ZkAcl[];
}

/** Opens a session; connecting goes on in the background until it is over. */
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
  /** Another operation of the same transaction failed. */
  | 'ROLLED_BACK'
  /** The server does not know the operation. */
  | 'UNIMPLEMENTED'
  /** The request or the reply is larger than is allowed; trying again does not help. */
  | 'TOO_LARGE'
  | 'NOT_EMPTY'
  | 'BAD_ARGUMENTS'
  | 'NO_WATCHER'
  | 'READ_ONLY'
  | 'QUOTA_EXCEEDED'
  | 'THROTTLED'
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
