/**
 * The requests and replies of ZooKeeper's protocol, as far as pilotfish speaks it: operation numbers, error numbers, and
 * the fields of each record in their order (zookeeper.jute and ZooDefs.java of ZooKeeper 3.8).
 */
import type { ZkAcl, ZkErrorCode, ZkStat } from '../driver.js';
import type { JuteReader, JuteWriter } from './jute.js';

export const OP = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  setWatches2: 105,
  addWatch: 106,
  closeSession: -11,
  error: -1,
} as const;

/** Request numbers that are no answer to a request of ours. */
export const XID = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

const MAX_XID = 2 ** 31 - 1;

/** Numbers go round without ever being zero or one of those above. */
export function nextXid(xid: number): number {
  return xid >= MAX_XID ? 1 : xid + 1;
}

const ERROR_CODES: Readonly<Record<number, ZkErrorCode>> = {
  [-2]: 'ROLLED_BACK',
  [-4]: 'CONNECTION_LOSS',
  [-5]: 'OTHER',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'CONNECTION_LOSS',
  [-8]: 'BAD_ARGUMENTS',
  [-101]: 'NO_NODE',
  [-102]: 'NO_AUTH',
  [-103]: 'BAD_VERSION',
  [-108]: 'BAD_ARGUMENTS',
  [-110]: 'NODE_EXISTS',
  [-111]: 'NOT_EMPTY',
  [-112]: 'SESSION_OVER',
  [-114]: 'BAD_ARGUMENTS',
  [-115]: 'NO_AUTH',
  [-118]: 'CONNECTION_LOSS',
  [-119]: 'READ_ONLY',
  [-121]: 'NO_WATCHER',
  [-124]: 'NO_AUTH',
  [-125]: 'QUOTA_EXCEEDED',
  [-127]: 'THROTTLED',
};

export function errorCodeOf(error: number): ZkErrorCode {
  return ERROR_CODES[error] ?? 'OTHER';
}

/** The kinds of node, with the number that `create` sends for each. */
export const CREATE_FLAGS = {
  persistent: 0,
  ephemeral: 1,
  'persistent-sequential': 2,
  'ephemeral-sequential': 3,
  container: 4,
  'persistent-ttl': 5,
  'persistent-sequential-ttl': 6,
} as const;
export type NodeKind = keyof typeof CREATE_FLAGS;

export const WATCH_MODE = { persistent: 0, recursive: 1 } as const;
/** Every sort of watch on a path. */
export const WATCHER_TYPE_ANY = 3;

/** What a server reports of a watched node. */
export type WatchEventType =
  | 'created'
  | 'deleted'
  | 'changed'
  | 'children'
  | 'removed'
  | 'session'
  | 'unknown';

const EVENT_TYPES: Readonly<Record<number, WatchEventType>> = {
  [-1]: 'session',
  1: 'created',
  2: 'deleted',
  3: 'changed',
  4: 'children',
  5: 'removed',
  6: 'removed',
  7: 'removed',
};

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly path: string;
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: number;
  readonly error: number;
}

export interface ConnectReply {
  /** The session timeout granted, in ms; 0 or less when the session is expired. */
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
  readonly readOnly: boolean;
}

export interface ConnectRequest {
  readonly lastZxid: number;
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export function writeConnect(writer: JuteWriter, request: ConnectRequest): void {
  const { lastZxid, timeoutMs, sessionId, password } = request;
  const readOnlyAllowed = false;
  writer.int(0).long(lastZxid).int(timeoutMs).long(sessionId).bytes(password).bool(readOnlyAllowed);
}

export function readConnect(reader: JuteReader): ConnectReply {
  reader.int();
  const timeoutMs = reader.int();
  const sessionId = reader.bigLong();
  const password = Buffer.from(reader.bytes());
  // Servers before 3.4 end here.
  const readOnly = reader.left > 0 && reader.bool();
  return { timeoutMs, sessionId, password, readOnly };
}

export function readReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

export function readWatchEvent(reader: JuteReader): WatchEvent {
  const type = reader.int();
  reader.int();
  return { type: EVENT_TYPES[type] ?? 'unknown', path: reader.text() };
}

export function readStat(reader: JuteReader): ZkStat {
  const czxid = reader.long();
  const mzxid = reader.long();
  // Both times.
  const version = reader.skip(16).int();
  // The versions of the children and of the ACL.
  const owner = reader.skip(8).bigLong();
  // The length of the data and the number of children.
  const pzxid = reader.skip(8).long();
  return { czxid, mzxid, pzxid, version, owner: isSession(owner) ? sessionName(owner) : undefined };
}

/** The field of the owner tells containers and nodes with a time to live as well (EphemeralType.java). */
function isSession(owner: bigint): boolean {
  const isContainer = owner === -(2n ** 63n);
  const hasTimeToLive = BigInt.asUintN(64, owner) >> 56n === 0xffn;
  return owner !== 0n && !isContainer && !hasTimeToLive;
}

/** A session id as ZooKeeper's own tools print it. */
export function sessionName(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}

const PERMISSIONS = { read: 1, write: 2, create: 4, delete: 8, admin: 16 } as const;

export function writeAcl(writer: JuteWriter, acl: readonly ZkAcl[]): void {
  writer.list(acl, ({ permissions, scheme, id }) => {
    const bits = permissions.reduce((sum, permission) => sum | PERMISSIONS[permission], 0);
    writer.int(bits).text(scheme).text(id);
  });
}

export function readAcl(reader: JuteReader): readonly ZkAcl[] {
  return reader.list(() => {
    const bits = reader.int();
    const names = Object.keys(PERMISSIONS) as (keyof typeof PERMISSIONS)[];
    const permissions = names.filter((name) => (bits & PERMISSIONS[name]) !== 0);
    return { permissions, scheme: reader.text(), id: reader.text() };
  });
}

/** The fields of a create of any kind; `ttlMs` is for the kinds that end in `-ttl`. */
export interface CreateFields {
  readonly path: string;
  readonly data: Uint8Array;
  readonly kind: NodeKind;
  readonly acl: readonly ZkAcl[];
  readonly ttlMs?: number | undefined;
}

/** The operation number for a node of this kind. */
export function createOperation(kind: NodeKind): number {
  if (kind === 'container') return OP.createContainer;
  return kind.endsWith('-ttl') ? OP.createTtl : OP.create2;
}

export function writeCreate(writer: JuteWriter, { path, data, kind, acl, ttlMs }: CreateFields): void {
  writer.text(path).bytes(data);
  writeAcl(writer, acl);
  writer.int(CREATE_FLAGS[kind]);
  if (createOperation(kind) === OP.createTtl) writer.long(ttlMs ?? 0);
}
