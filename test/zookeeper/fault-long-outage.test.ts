/** Row 1 of the fault matrix, the part that takes too long for a real clock: an outage that made every wait long. */
import { expect, test } from 'vitest';
import type { RegistryReader, RegistryState, Snapshot } from '../../registry/contract.js';
import { snapshotOf } from '../../registry/snapshot.js';
import { supervise } from '../../registry/supervised.js';
import { PilotfishError } from '../../runtime/errors.js';
import { Emitter } from '../../runtime/events.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

const SEVEN_DAYS_MS = 7 * 24 * 3_600_000;

/** A registry that can be watched only while it is connected. */
class FlappingRegistry implements RegistryReader {
  readonly kind = 'flapping';
  readonly url = 'flapping:';
  readonly #states = new Emitter<RegistryState>();
  readonly onState = this.#states.event;
  state: RegistryState = 'connected';
  subscriptions = 0;
  #lose: (error: unknown) => void = () => {};

  async *watch(service: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Snapshot> {
    this.subscriptions++;
    if (this.state !== 'connected') throw new PilotfishError('UNAVAILABLE', this.state);
    yield snapshotOf(service, [], 1);
    await new Promise((resolve, reject) => {
      this.#lose = reject;
      signal?.addEventListener('abort', resolve);
    });
  }

  become(state: RegistryState): void {
    this.state = state;
    if (state !== 'connected') this.#lose(new PilotfishError('UNAVAILABLE', state));
    this.#states.emit(state);
  }

  async services(): Promise<readonly string[]> {
    return [];
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}

test('after seven days without a registry the list is asked for within 100 ms of its return, and not often before', async () => {
  const clock = new VirtualClock();
  const registry = new FlappingRegistry();
  const watch = supervise(registry, 'orders', { clock, random: seededRandom(1) });
  await clock.advance(0);
  registry.become('suspended');
  await clock.advance(SEVEN_DAYS_MS);
  expect(watch.staleMs).toBe(SEVEN_DAYS_MS);
  const perMinute = registry.subscriptions / (SEVEN_DAYS_MS / 60_000);
  expect(perMinute).toBeGreaterThan(6);
  expect(perMinute).toBeLessThan(10);
  registry.become('connected');
  await clock.advance(100);
  expect(watch.staleMs).toBe(0);
  await watch.close();
  expect(clock.pending).toBe(0);
});
