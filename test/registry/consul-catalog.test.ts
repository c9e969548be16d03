/** How long a write waits until the servers of Consul know it. */
import { expect, test } from 'vitest';
import { Catalog } from '../../registry/consul/catalog.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

/** The list of a service that has one entry of that owner. */
const listOf = (owner: string): object[] => [{ Service: { Meta: { 'pilotfish-owner': owner } } }];

function world(ttlMs: number) {
  const clock = new VirtualClock();
  let json: unknown = [];
  const catalog = new Catalog({ get: async () => ({ json, headers: {} }) }, clock, ttlMs);
  let waited: number | undefined;
  const wait = (): Promise<void> =>
    catalog
      .until('orders', 'me', (item) => item !== undefined, undefined)
      .then(() => {
        waited = clock.now();
      });
  const show = (owner: string): void => {
    json = listOf(owner);
  };
  return { clock, wait, show, waited: () => waited };
}

test.each([
  ['two seconds, however long the TTL', 60_000, 2_000],
  ['a third of a short TTL, so that no heartbeat behind it is late', 1_500, 500],
])('a write that they do not show waits %s', async (_, ttlMs, graceMs) => {
  const { clock, wait, waited } = world(ttlMs);
  void wait();
  await clock.advance(graceMs - 1);
  expect(waited()).toBeUndefined();
  await clock.advance(1);
  expect(waited()).toBe(graceMs);
});

test('a write waits until they show it, and not for that of somebody else', async () => {
  const { clock, wait, show, waited } = world(60_000);
  void wait();
  show('you');
  await clock.advance(500);
  expect(waited()).toBeUndefined();
  show('me');
  await clock.advance(100);
  expect(waited()).toBeLessThanOrEqual(600);
});
