/** One pool per endpoint that was ever picked, for as long as the endpoint is listed and takes requests. */
import type { Pool } from 'undici';
import type { Instance } from '../../registry/contract.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { EndpointPool } from './endpoint-pool.js';
import type { Undici } from './undici.js';

export class EndpointPools {
  readonly #undici: Undici;
  readonly #origin: string;
  readonly #options: Pool.Options;
  readonly #byAddress = new Map<string, EndpointPool>();
  /** The same pools by the instances that are picked, so that a request builds no key; a policy may make ever new ones. */
  #byInstance = new WeakMap<Instance, EndpointPool>();

  constructor(undici: Undici, origin: string, options: Pool.Options) {
    this.#undici = undici;
    this.#origin = origin;
    this.#options = options;
  }

  get(instance: Instance): EndpointPool {
    const known = this.#byInstance.get(instance);
    if (known !== undefined) return known;
    const pool = this.#at(instance);
    this.#byInstance.set(instance, pool);
    return pool;
  }

  /** The list has changed: pools of endpoints that left it, or that take no new requests, end when they are idle. */
  keep(instances: readonly Instance[]): void {
    this.#byInstance = new WeakMap();
    const serving = new Set(instances.filter(isServing).map(({ endpoint }) => formatHostPort(endpoint)));
    for (const [address, pool] of this.#byAddress) if (!serving.has(address)) pool.retire();
  }

  retire(): void {
    this.keep([]);
  }

  /** Resolves when the last of them has ended. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#byAddress.values()].map((pool) => pool.destroy()));
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** Resolves when those that are open now have ended. */
  async gone(): Promise<void> {
    await Promise.all([...this.#byAddress.values()].map((pool) => pool.gone));
  }

  #at(instance: Instance): EndpointPool {
    const address = formatHostPort(instance.endpoint);
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const pool = new EndpointPool(this.#undici, this.#origin, instance.endpoint, this.#options, () =>
      this.#forget(address, pool),
    );
    this.#byAddress.set(address, pool);
    return pool;
  }

  #forget(address: string, pool: EndpointPool): void {
    if (this.#byAddress.get(address) === pool) this.#byAddress.delete(address);
    this.#byInstance = new WeakMap();
  }
}

/** True for an endpoint that is listed for new requests. */
export function isServing({ status }: Instance): boolean {
  return status !== 'draining' && status !== 'maintenance';
}
