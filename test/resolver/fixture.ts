/** A discovery on registries in memory, under a virtual clock and a seeded generator. */
import { type ConnectOptions, connect, type Discovery, seededRandom } from '../../resolver/index.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { MemoryRegistry } from './memory-registry.js';

export interface Fixture {
  readonly clock: VirtualClock;
  readonly registry: MemoryRegistry;
  readonly discovery: Discovery;
}

export async function fixture(options: ConnectOptions = {}): Promise<Fixture> {
  const clock = new VirtualClock();
  const registry = new MemoryRegistry();
  // Nothing answers at the addresses of the lists: what vanishes is believed, unless a test is about that.
  const defaults = { clock, random: seededRandom(7), hold: false } as const;
  const discovery = await connect(registry, { ...defaults, ...options });
  return { clock, registry, discovery };
}

/** Lets everything that is under way come to rest, without letting time pass. */
export function settled(clock: VirtualClock): Promise<void> {
  return clock.advance(0);
}
