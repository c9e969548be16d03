/** From registry URLs, or registries, to a discovery. */
import type { RegistryReader } from '../registry/contract.js';
import { open } from '../registry/open.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { describe, reject } from '../runtime/expected.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { type Random, systemRandom } from '../runtime/random.js';
import { type AddressOptions, AddressScreen } from './address-policy.js';
import { COMBINATIONS, type Combination } from './combine.js';
import { Discovery } from './discovery.js';
import { type EjectionOptions, ejectionRules } from './ejection/rules.js';
import { type ListOptions, listPlans } from './list/options.js';
import { roundRobin } from './policies/round-robin.js';
import type { Policy } from './policy.js';

export interface ConnectOptions extends ListOptions {
  /** The policy of every service that names none of its own. Default `roundRobin()`. */
  readonly policy?: Policy;
  /**
   * What several registries are together. Default `merge`.
   *
   * - `merge`: all instances of all of them, each once. For moving a fleet.
   * - `prefer`: the list of the first that answers and lists anything; the next one's when that is silent for 10 s. For a
   *   second registry that stands by.
   */
  readonly registries?: Combination;
  /** Whether, and by what rules, endpoints that callers find bad are left out for a while. Default: off, but on for HTTP. */
  readonly ejection?: EjectionOptions | boolean;
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
 * Opens a discovery on a registry, or on several whose lists are merged: an instance that is in more than one of them has
 * the data of the registry named first and the strictest status of all. Connecting goes on in the background, so an unreachable registry is no error here; see
 * `ServiceHandle.ready`. Throws BAD_INPUT for a malformed URL and DRIVER_MISSING where a backend's package is missing.
 */
export async function connect(
  source: RegistrySource | readonly RegistrySource[],
  { policy = roundRobin(), addresses = {}, registries = 'merge', ...options }: ConnectOptions = {},
): Promise<Discovery> {
  const sources = isList(source) ? source : [source];
  if (sources.length === 0) reject('registry', 'at least one registry', 'an empty list');
  if (!COMBINATIONS.includes(registries))
    reject('registries', COMBINATIONS.join(' or '), describe(registries));
  ejectionRules(options.ejection);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom();
  const logger = options.logger ?? silentLogger;
  const { ejection } = options;
  const context = { logger, clock, random, registries, ejection, ...listPlans(options, clock) };
  const opened = new CloseStack();
  const all: RegistryReader[] = [];
  try {
    for (const each of sources) {
      const registry = typeof each === 'string' ? await open(each, context) : each;
      if (registry !== each) opened.defer(() => registry.close());
      all.push(registry);
    }
  } catch (error) {
    await opened.close();
    throw error;
  }
  const screened = all.map((registry) => ({
    registry,
    screen: () => new AddressScreen(registry, addresses),
  }));
  return new Discovery(screened, policy, context, [() => opened.close()]);
}

function isList(source: RegistrySource | readonly RegistrySource[]): source is readonly RegistrySource[] {
  return Array.isArray(source);
}
