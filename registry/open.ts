/** From a registry URL to a registry. The only file that names the backends, each loaded when it is first asked for. */
import { type Clock, systemClock } from '../runtime/clock.js';
import { reject } from '../runtime/expected.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { type Random, systemRandom } from '../runtime/random.js';
import { canRegister, type Registry, type RegistryReader } from './contract.js';
import { describePart, schemeOf } from './url.js';

/** What every backend is given. */
export interface BackendContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type OpenOptions = Partial<BackendContext>;

type OpenBackend = (url: string, context: BackendContext) => Promise<RegistryReader>;

const BACKENDS: Readonly<Record<string, () => Promise<OpenBackend>>> = {
  local: async () => (await import('./local/local.js')).openLocal,
  zookeeper: async () => (await import('./zookeeper/zookeeper.js')).openZooKeeper,
  consul: async () => (await import('./consul/consul.js')).openConsul,
  static: async () => (await import('./static/static.js')).openStatic,
};

/** The schemes `open` understands. */
export const REGISTRY_SCHEMES: readonly string[] = Object.keys(BACKENDS);

/**
 * Opens the registry at `url`. Connecting goes on in the background: an unreachable registry is no error here.
 * Throws BAD_INPUT for a malformed URL and DRIVER_MISSING when the backend's package is not installed.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<RegistryReader> {
  const scheme = schemeOf(url);
  if (scheme === undefined || !Object.hasOwn(BACKENDS, scheme)) {
    return reject(
      'registry',
      `a URL that starts with ${REGISTRY_SCHEMES.map((s) => `${s}:`).join(', ')}`,
      describePart(url, url),
    );
  }
  const openBackend = await (BACKENDS[scheme] as () => Promise<OpenBackend>)();
  return openBackend(url, {
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom(),
    logger: options.logger ?? silentLogger,
  });
}

/** Opens a registry to write to. Throws BAD_INPUT as well when it is read only. */
export async function openWritable(url: string, options: OpenOptions = {}): Promise<Registry> {
  const registry = await open(url, options);
  if (canRegister(registry)) return registry;
  await registry.close();
  return reject('registry', 'a registry that can be written', `"${url}", which is read only`);
}
