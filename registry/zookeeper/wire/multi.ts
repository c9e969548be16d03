/**
 * Several operations in one request: `multi` changes all or nothing, `multiRead` reads many nodes at once and answers
 * for each. Both write each operation behind a small header, and end with one that says so.
 */
import type { ZkAcl, ZkErrorCode, ZkNode, ZkStat } from '../driver.js';
import { JuteError, type JuteReader, type JuteWriter } from './jute.js';
import { createOperation, errorCodeOf, type NodeKind, OP, readStat, writeCreate } from './records.js';

export type MultiOperation =
  | { readonly type: 'create'; readonly path: string; readonly data: Uint8Array; readonly kind: NodeKind }
  | { readonly type: 'delete'; readonly path: string; readonly version: number }
  | { readonly type: 'set'; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly type: 'check'; readonly path: string; readonly version: number };

/** What became of one operation of a multi. */
export type MultiResult =
  | { readonly type: 'create'; readonly path: string; readonly stat: ZkStat | undefined }
  | { readonly type: 'set'; readonly stat: ZkStat }
  | { readonly type: 'delete' | 'check' }
  /** This one failed, or with ROLLED_BACK another did, before or behind it. */
  | { readonly type: 'error'; readonly code: ZkErrorCode };

export function writeMulti(
  writer: JuteWriter,
  operations: readonly MultiOperation[],
  acl: readonly ZkAcl[],
): void {
  for (const operation of operations) {
    writeHeader(writer, numberOf(operation), false);
    writeOperation(writer, operation, acl);
  }
  writeHeader(writer, -1, true);
}

export function readMulti(reader: JuteReader): readonly MultiResult[] {
  const results: MultiResult[] = [];
  for (;;) {
    const { type, done } = readHeader(reader);
    if (done) return results;
    results.push(readResult(reader, type));
  }
}

export function writeMultiRead(writer: JuteWriter, paths: readonly string[]): void {
  for (const path of paths) {
    writeHeader(writer, OP.getData, false);
    writer.text(path).bool(false);
  }
  writeHeader(writer, -1, true);
}

/** For each path its node, undefined when there is none, or the code of the error why it cannot be read. */
export function readMultiRead(reader: JuteReader): readonly (ZkNode | ZkErrorCode | undefined)[] {
  const nodes: (ZkNode | ZkErrorCode | undefined)[] = [];
  for (;;) {
    const { type, done } = readHeader(reader);
    if (done) return nodes;
    if (type === OP.getData) nodes.push({ data: reader.bytes(), stat: readStat(reader) });
    else if (type === OP.error) nodes.push(whyNot(reader.int()));
    else throw new JuteError('the result of a read', `operation ${type}`);
  }
}

function whyNot(error: number): ZkErrorCode | undefined {
  const code = errorCodeOf(error);
  return code === 'NO_NODE' ? undefined : code;
}

function numberOf(operation: MultiOperation): number {
  if (operation.type === 'create') return createOperation(operation.kind);
  return { delete: OP.delete, set: OP.setData, check: OP.check }[operation.type];
}

function writeOperation(writer: JuteWriter, operation: MultiOperation, acl: readonly ZkAcl[]): void {
  if (operation.type === 'create') writeCreate(writer, { ...operation, acl });
  else if (operation.type === 'set') writer.text(operation.path).bytes(operation.data).int(operation.version);
  else writer.text(operation.path).int(operation.version);
}

function readResult(reader: JuteReader, type: number): MultiResult {
  switch (type) {
    case OP.create:
      return { type: 'create', path: reader.text(), stat: undefined };
    case OP.create2:
    case OP.createContainer:
    case OP.createTtl:
      return { type: 'create', path: reader.text(), stat: readStat(reader) };
    case OP.setData:
      return { type: 'set', stat: readStat(reader) };
    case OP.delete:
      return { type: 'delete' };
    case OP.check:
      return { type: 'check' };
    case OP.error:
      return { type: 'error', code: failureOf(reader.int()) };
    default:
      throw new JuteError('the result of an operation', `operation ${type}`);
  }
}

/** An operation before the one that failed says that it went well, and was taken back. */
function failureOf(error: number): ZkErrorCode {
  return error === 0 ? 'ROLLED_BACK' : errorCodeOf(error);
}

function writeHeader(writer: JuteWriter, type: number, done: boolean): void {
  writer.int(type).bool(done).int(-1);
}

function readHeader(reader: JuteReader): { readonly type: number; readonly done: boolean } {
  const type = reader.int();
  const done = reader.bool();
  reader.int();
  return { type, done };
}
