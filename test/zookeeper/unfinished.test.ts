/** What a registration leaves whose outcome nobody knows: its create takes effect, and the reply to it is lost. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, idsOf, instanceOf } from '../../registry/testing/harness.js';
import { Watching } from '../../registry/testing/watching.js';
import { systemClock as clock } from '../../runtime/clock.js';
import { silentLogger as logger } from '../../runtime/logger.js';
import { nextTurn } from '../../runtime/next-turn.js';
import type { Random } from '../../runtime/random.js';
import { Announcer } from '../../sidecar/announcer.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

const ROOT = `/unfinished-${process.pid}`;
/** The reply to the create of a first registration where the parents are there: handshake, ping, exists, create. */
const CREATED = 4;
/** A connection that has lasted for so long is replaced at once, and the removal of what was left is as quick. */
const PROVEN_MS = 1_100;

/** Every pause is as long as it may be. */
const LONGEST: Random = { next: () => 2 ** 32 - 1 };

let reader: Registry;

beforeAll(async () => {
  reader = await openWritable(`zookeeper://${sharedServer('zookeeper')}${ROOT}`);
});

afterAll(() => reader.close());

/** A registry whose next registration takes effect without a reply, and a reader that sees its entry. */
async function scene() {
  const instance = instanceOf({ service: freshService('unfinished'), id: 'one' });
  await using witness = await connectClient(sharedServer('zookeeper'));
  for (const path of [ROOT, `${ROOT}/${instance.service}`])
    await witness.zk.create(path, Buffer.alloc(0), 'persistent').catch(() => {});
  const watching = new Watching(reader, instance.service);
  const proxy = await FaultProxy.start(sharedServer('zookeeper'));
  void proxy.loseReply(CREATED);
  const registry = await openWritable(`zookeeper://${proxy.address}${ROOT}?sessionTimeout=40s`);
  onTestFinished(async () => {
    await registry.close();
    await watching.close();
    await proxy[Symbol.asyncDispose]();
  });
  await registry.ping();
  await delay(PROVEN_MS);
  return { registry, instance, watching };
}

test('a sidecar tries again after its usual pause, and no reader ever misses the entry', async () => {
  const { registry, instance, watching } = await scene();
  const announcer = new Announcer(registry, instance.service, { clock, random: LONGEST, logger });
  onTestFinished(() => announcer.close());
  // It waits for something to do, as a sidecar does until the service is healthy.
  await nextTurn();
  announcer.announce(instance, 'up');
  await announcer.untilSettled(AbortSignal.timeout(30_000));
  const changed = { ...instance, weight: 2 };
  announcer.announce(changed, 'another weight');
  await watching.until('the change', ({ instances }) => instances[0]?.weight === 2);
  const ids = watching.seen.map((list) => idsOf(list).join());
  expect(ids.slice(ids.indexOf('one'))).not.toContain('');
});

test('it is removed when nobody tries again', async () => {
  const { registry, instance, watching } = await scene();
  await expect(registry.register(instance)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await watching.until('the entry', ({ instances }) => instances.length === 1);
  await watching.until('nothing', ({ instances }) => instances.length === 0);
});
