/**
 * Reads what the JSON gateway says. It leaves out whatever is zero, false or empty, writes 64-bit numbers as strings and
 * bytes as base64; a proxy, an attacker or a newer etcd may say something else, so nothing is taken for granted.
 */
import { type Fields, fieldsOf } from '../../runtime/fields.js';

/** One key as it was read. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** The revision of its last change; 0 when that makes no sense. */
  readonly modRevision: number;
  /** The lease it is attached to; `0` for none. */
  readonly lease: string;
}

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  readonly kv: KeyValue;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A whole number of 0 or more, in digits or not; 0 for what is none. Revisions stay far below 2^53. */
export function countOf(value: unknown): number {
  const count = typeof value === 'string' || typeof value === 'number' ? Number(value) : 0;
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** An id: 64 bits, which a number would round. `0` for what is none. */
export function idOf(value: unknown): string {
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? value : '0';
}

export function headerOf(answer: Fields): { readonly clusterId: string; readonly revision: number } {
  const { cluster_id, revision } = fieldsOf(answer.header);
  return { clusterId: idOf(cluster_id), revision: countOf(revision) };
}

export function keyValueOf(value: unknown): KeyValue {
  const { key, value: data, mod_revision, lease } = fieldsOf(value);
  return {
    key: bytesOf(key).toString('utf8'),
    value: bytesOf(data),
    modRevision: countOf(mod_revision),
    lease: idOf(lease),
  };
}

/** The type is left out for a put. */
export function eventOf(value: unknown): WatchEvent {
  const { type, kv } = fieldsOf(value);
  return { type: type === 'DELETE' ? 'delete' : 'put', kv: keyValueOf(kv) };
}

function bytesOf(value: unknown): Buffer {
  return Buffer.from(typeof value === 'string' ? value : '', 'base64');
}
