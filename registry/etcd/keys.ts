/** Where things are in etcd: `<prefix>/<service>/<id>`. Keys and values travel as base64. */

export interface EtcdKeys {
  /** What all keys begin with; ends with a slash. */
  readonly root: string;
  /** What the keys of one service begin with; ends with a slash, so `web` sees nothing of `web-admin`. */
  service(service: string): string;
  instance(service: string, id: string): string;
}

/** @param root ends with a slash. */
export function etcdKeys(root: string): EtcdKeys {
  return {
    root,
    service: (service) => `${root}${service}/`,
    instance: (service, id) => `${root}${service}/${id}`,
  };
}

export interface KeyRange {
  readonly from: string;
  /** Excluded. */
  readonly to: string;
}

/** All keys that begin with `prefix`, which ends with a slash: up to the character that follows the slash. */
export function keysBelow(prefix: string): KeyRange {
  return { from: prefix, to: `${prefix.slice(0, -1)}0` };
}

/** The first key after this one. */
export function keyAfter(key: string): string {
  return `${key}\0`;
}

export function toBase64(data: string | Uint8Array): string {
  return Buffer.from(data as string).toString('base64');
}
