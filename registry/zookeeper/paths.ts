/** Where things are in the tree: `<chroot>/<service>/<id>`. */

export interface ZkPaths {
  /** The node whose children are the services. */
  readonly root: string;
  service(service: string): string;
  instance(service: string, id: string): string;
}

/** @param chroot empty, or a path that starts with a slash and does not end with one. */
export function zkPaths(chroot: string): ZkPaths {
  return {
    root: chroot === '' ? '/' : chroot,
    service: (service) => `${chroot}/${service}`,
    instance: (service, id) => `${chroot}/${service}/${id}`,
  };
}

/** The nodes above `path`, highest first: `/a` and `/a/b` for `/a/b/c`. */
export function parentsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
