/**
 * From host names to addresses, with the system's resolver and off the event loop. Names are resolved anew whenever a
 * server is looked for, because ensembles move; while the name service is away the last good addresses go on.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import type { HostPort } from '../../runtime/host-port.js';
import { type Random, shuffled } from '../../runtime/random.js';
import type { ZkAddress } from './driver.js';

const TIMEOUT_MS = 5_000;

export interface AddressesOptions {
  readonly hosts: readonly HostPort[];
  readonly clock: Clock;
  readonly random: Random;
  /** All addresses of a name; default the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export class Addresses {
  readonly #options: AddressesOptions;
  /** The last good addresses of each host. */
  readonly #known = new Map<HostPort, readonly ZkAddress[]>();

  constructor(options: AddressesOptions) {
    this.#options = options;
  }

  /** Every address of every host, in random order. Rejects when none was ever known. */
  async current(): Promise<readonly ZkAddress[]> {
    const { hosts, random } = this.#options;
    const results = await Promise.allSettled(hosts.map((host) => this.#refresh(host)));
    const addresses = [...this.#known.values()].flat();
    const failed = results.find((result) => result.status === 'rejected');
    if (addresses.length === 0 && failed !== undefined) throw failed.reason;
    return shuffled(addresses, random);
  }

  async #refresh(host: HostPort): Promise<void> {
    const { clock, resolve = resolveBySystem } = this.#options;
    const { host: name, port } = host;
    if (isIP(name) !== 0) return void this.#known.set(host, [{ host: name, port, name }]);
    const found = await withDeadline(clock, TIMEOUT_MS, `resolving ${name}`, undefined, () => resolve(name));
    if (found.length > 0)
      this.#known.set(
        host,
        found.map((address) => ({ host: address, port, name })),
      );
  }
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
