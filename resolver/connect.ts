/** From registry URLs, or registries, to a discovery. */
import type { RegistryReader } from '../registry/contract.js';
import { open } from '../registry/open.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { reject } from '../runtime/expected.js';
import type { Logger } from '../runtime/logger.js';
import { type Random, systemRandom } from '../runtime/random.js';
import { type AddressOptions, AddressScreen } from './address-policy.js';
import { Discovery } from './discovery.js';
import { roundRobin } from './policies/round-robin.js';
import type { Policy } from './policy.js';

export interface ConnectOptions {
  /** The policy of every service that names none of its own. Default `roundRobin()`. */
  readonly policy?: Policy;
  /** Which addresses from the registry may be used. */
  readonly addresses?: AddressOptions;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: seeded by the operating system. */
  readonly random?: Random;
}

/** A registry URL, or a registry that the caller opened and closes. */
export type RegistrySource = string | RegistryReader;

/**
 * Opens a discovery on a registry, or on several whose lists are merged: of instances with the same id the one in the
 * registry named first wins. Connecting goes on in the background, so an unreachable registry is no error here; see
 * `ServiceHandle.ready`. Throws BAD_INPUT for a malformed URL and DRIVER_MISSING where a backend's package is missing.
 */
export async function connect(
  source: RegistrySource | readonly RegistrySource[],
  { policy = roundRobin(), addresses = {}, ...rest }: ConnectOptions = {},
): Promise<Discovery> {
  const sources = isList(source) ? source : [source];
  if (sources.length === 0) reject('registry', 'at least one registry', 'an empty list');
  const context = { ...rest, clock: rest.clock ?? systemClock, random: rest.random ?? systemRandom() };
  const opened = new CloseStack();
  const registries: RegistryReader[] = [];
  try {
    for (const each of sources) {
      const registry = typeof each === 'string' ? await open(each, context) : each;
      if (registry !== each) opened.defer(() => registry.close());
      registries.push(registry);
    }
  } catch (error) {
    await opened.close();
    throw error;
  }
  const screened = registries.map((registry) => ({
    registry,
    screen: () => new AddressScreen(registry, addresses),
  }));
  return new Discovery(screened, policy, context, [() => opened.close()]);
}

function isList(source: RegistrySource | readonly RegistrySource[]): source is readonly RegistrySource[] {
  return Array.isArray(source);
}
