/** Where things are in etcd: `<prefix>/<service>/<id>`, as the format lays them out. Keys and values travel as base64. */
import type { Format } from '../formats/format.js';

export interface EtcdKeys {
  /** What all keys begin with; ends with a slash, or is empty. */
  readonly root: string;
  /** What the keys of one service begin with; ends with a slash, so `web` sees nothing of `web-admin`. */
  service(service: string): string;
  instance(service: string, id: string): string;
  /** The service that a key below the root is of; undefined for one that is of none. */
  serviceOf(key: string): string | undefined;
}

/** @param root ends with a slash, or is empty. */
export function etcdKeys(root: string, format: Pick<Format, 'name' | 'folder'>): EtcdKeys {
  const service = (name: string): string => `${root}${format.folder(name)}/`;
  return {
    root,
    service,
    instance: (name, id) => `${service(name)}${id}`,
    serviceOf(key) {
      const folders = key.slice(root.length).split('/').slice(0, -1);
      // The labels of a DNS name are folders of their own, the last one first.
      return format.name === 'skydns' ? folders.reverse().join('.') : folders[0];
    },
  };
}

export interface KeyRange {
  readonly from: string;
  /** Excluded. */
  readonly to: string;
}

/** Both ends of the range of all keys there are. */
const EVERYTHING = '\0';

/** All keys that begin with `prefix`, which ends with a slash: up to the character that follows it. All there are if it is empty. */
export function keysBelow(prefix: string): KeyRange {
  if (prefix === '') return { from: EVERYTHING, to: EVERYTHING };
  return { from: prefix, to: `${prefix.slice(0, -1)}0` };
}

/** The first key after this one. */
export function keyAfter(key: string): string {
  return `${key}\0`;
}

export function toBase64(data: string | Uint8Array): string {
  return Buffer.from(data as string).toString('base64');
}
