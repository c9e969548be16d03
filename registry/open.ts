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

/** What a backend's module exports as `backend`. */
export interface Backend {
  /** Throws a BadInputError with everything that is wrong with the URL. Opens nothing, reads nothing. */
  readonly check: (url: string) => void;
  /** Connecting goes on in the background. */
  readonly open: (url: string, context: BackendContext) => Promise<RegistryReader>;
}

const BACKENDS: Readonly<Record<string, () => Promise<{ readonly backend: Backend }>>> = {
  local: () => import('./local/local.js'),
  zookeeper: () => import('./zookeeper/zookeeper.js'),
  consul: () => import('./consul/consul.js'),
  etcd: () => import('./etcd/etcd.js'),
  static: () => import('./static/static.js'),
};

/** The schemes `open` understands. */
export const REGISTRY_SCHEMES: readonly string[] = Object.keys(BACKENDS);

/**
 * Opens the registry at `url`. Connecting goes on in the background: an unreachable registry is no error here.
 * Throws BAD_INPUT for a malformed URL and DRIVER_MISSING when the backend's package is not installed.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<RegistryReader> {
  const backend = await backendOf(url);
  return backend.open(url, {
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom(),
    logger: options.logger ?? silentLogger,
  });
}

/** Throws BAD_INPUT, with everything that is wrong, for a URL that `open` would refuse. */
export async function checkUrl(url: string): Promise<void> {
  (await backendOf(url)).check(url);
}

async function backendOf(url: string): Promise<Backend> {
  const scheme = schemeOf(url);
  if (scheme === undefined || !Object.hasOwn(BACKENDS, scheme)) {
    const expected = `a URL that starts with ${REGISTRY_SCHEMES.map((s) => `${s}:`).join(', ')}`;
    return reject('registry', expected, describePart(url, url));
  }
  return (await (BACKENDS[scheme] as (typeof BACKENDS)[string])()).backend;
}

/** Opens a registry to write to. Throws BAD_INPUT as well when it is read only. */
export async function openWritable(url: string, options: OpenOptions = {}): Promise<Registry> {
  const registry = await open(url, options);
  if (canRegister(registry)) return registry;
  await registry.close();
  return reject('registry', 'a registry that can be written', `"${url}", which is read only`);
}
