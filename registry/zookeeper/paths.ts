/** Where things are in the tree: `<chroot>/<folder of the service>/<entry>`; the folder is as the format says. */
import type { Format } from '../formats/format.js';

export interface ZkPaths {
  /** The node whose children are the services. */
  readonly root: string;
  /** The node whose children are the entries of a service. */
  folder(service: string): string;
}

/** @param chroot empty, or a path that starts with a slash and does not end with one. */
export function zkPaths(chroot: string, format: Format): ZkPaths {
  return {
    root: chroot === '' ? '/' : chroot,
    folder: (service) => `${chroot}/${format.folder(service)}`,
  };
}

/** The node above `path`; undefined where that is the root, which is always there. */
export function parentOf(path: string): string | undefined {
  const end = path.lastIndexOf('/');
  return end > 0 ? path.slice(0, end) : undefined;
}
