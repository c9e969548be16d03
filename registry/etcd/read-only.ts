/** A registry without its way to write, for a format that is only read. */
import type { Registry, RegistryReader } from '../contract.js';

export function readOnly(registry: Registry): RegistryReader {
  return {
    kind: registry.kind,
    url: registry.url,
    get state() {
      return registry.state;
    },
    onState: registry.onState,
    watch: (service, options) => registry.watch(service, options),
    services: (options) => registry.services(options),
    ping: (options) => registry.ping(options),
    close: () => registry.close(),
  };
}
