import { expect, test, vi } from 'vitest';
import type { RegistryState } from '../../registry/contract.js';
import { open, openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { sleep, systemClock } from '../../runtime/clock.js';
import type { Fields } from '../../runtime/fields.js';
import type { Logger } from '../../runtime/logger.js';
import { silentLogger } from '../../runtime/logger.js';
import { standstillMs } from '../helpers/standstill.js';
import type { RunningServer } from '../servers/index.js';
import { startEtcdCluster } from './cluster.js';
import { etcdPost, inOrder, keysAt } from './support.js';

const TTL_MS = 4_000;

test('with a member frozen heartbeats go to the next, and without a quorum the first list is one that may be old', async () => {
  await using cluster = await startEtcdCluster(3);
  const [first, second, third] = await followersFirst(cluster.members);
  const service = freshService('frozen');
  const url = `etcd://${[first, second, third].map(({ address }) => address).join(',')}/it?ttl=${TTL_MS / 1000}s`;
  const registry = await openWritable(url, { random: inOrder });
  const states: RegistryState[] = [];
  const registration = await registry.register(instanceOf({ service }));
  registry.onState((state) => states.push(state));
  let lost: string | undefined;
  void registration.lost.then((reason) => {
    lost = reason;
  });
  const lease = (await keysAt(second.address, `it/${service}/`))[0]?.lease;
  const watching = new Watching(registry, service);
  await watching.until('the instance', ({ instances }) => instances.length === 1);

  const stoodStill = standstillMs();
  first.freeze();
  const until = performance.now() + 1.25 * TTL_MS;
  let leastTtl = TTL_MS / 1000;
  while (performance.now() < until) {
    // None answers while the members have no leader.
    const alive = await etcdPost(third.address, 'lease/timetolive', { ID: lease }).catch(() => undefined);
    leastTtl = Math.min(leastTtl, Number(alive?.TTL ?? leastTtl));
    await sleep(systemClock, 50);
  }
  // A beat comes after a third of the TTL and reaches the next member within another; etcd cuts off the fraction.
  expect(leastTtl).toBeGreaterThanOrEqual(Math.floor((TTL_MS / 3 - (standstillMs() - stoodStill)) / 1_000));
  expect(lost).toBeUndefined();
  expect((await keysAt(second.address, `it/${service}/`))[0]?.lease).toBe(lease);
  expect(states).not.toContain('expired');
  expect(watching.seen.every(({ instances }) => instances.length === 1)).toBe(true);
  const next = await openWritable(url, { random: inOrder });
  await next.register(instanceOf({ service, id: 'b' }));
  await watching.until('what was registered meanwhile', ({ instances }) => instances.length === 2);

  await third.kill();
  await vi.waitFor(() => expect(watching.supervised.error).toBeDefined(), 10_000);
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => void said.push(message) };
  const caller = await open(`etcd://${second.address}/it?ttl=2s`, { logger });
  const stale = new Watching(caller, service);
  await stale.until('the list of one member', ({ instances }) => instances.length === 2);
  await vi.waitFor(() => expect(stale.supervised.staleMs).toBeGreaterThan(0), 5_000);
  expect(said).toContain('no quorum of etcd answers; the list of one member is shown and may be old');
  expect(caller.state).not.toBe('connected');

  first.thaw();
  await vi.waitFor(() => expect(stale.supervised.error).toBeUndefined(), 15_000);
  expect(caller.state).toBe('connected');
  expect(lost).toBeUndefined();
  await Promise.all([watching.close(), stale.close()]);
  await Promise.all([registry.close(), next.close(), caller.close()]);
}, 90_000);

/** The leader last: to freeze a follower moves no lease. */
async function followersFirst(
  members: readonly RunningServer[],
): Promise<[RunningServer, RunningServer, RunningServer]> {
  const leads = await Promise.all(
    members.map(async ({ address }) => {
      const { header, leader } = await etcdPost(address, 'maintenance/status', {});
      return (header as Fields).member_id === leader;
    }),
  );
  const order = [...members].sort(
    (a, b) => Number(leads[members.indexOf(a)]) - Number(leads[members.indexOf(b)]),
  );
  return order as [RunningServer, RunningServer, RunningServer];
}
