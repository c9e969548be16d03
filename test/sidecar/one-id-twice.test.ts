/** Two announcers of one id on real registries: as when a machine is cloned, or a configuration copied. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { entryId } from '../../registry/consul/entry.js';
import type { Instance } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { systemRandom } from '../../runtime/random.js';
import { Announcer } from '../../sidecar/announcer.js';
import { eventually } from '../end-to-end/world.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

interface Backend {
  readonly name: string;
  /** For a writer of that number. A ZooKeeper session is shared in a process, but not by timeouts that differ. */
  readonly url: (writer: number) => string;
  /** Deletes the entry behind its owner's back. */
  readonly remove: (instance: Instance) => Promise<void>;
  /** Until a deletion is noticed at the latest, in ms: at once where it is watched, else at the next heartbeat. */
  readonly noticedMs: number;
}

/** What a machine with other work may add to a second or two. */
const SLACK_MS = 5_000;

let directory: string;

const BACKENDS: readonly Backend[] = [
  {
    name: 'local',
    url: () => `local:${directory}?ttl=2s&poll=200ms`,
    remove: async ({ service, id }) => {
      const entries = join(directory, 'services', service);
      const mine = (await readdir(entries)).filter((file) => file.startsWith(`${id}@`));
      await Promise.all(mine.map((file) => rm(join(entries, file))));
    },
    noticedMs: 700,
  },
  {
    name: 'zookeeper',
    url: (writer) =>
      `zookeeper://${sharedServer('zookeeper')}/one-id-twice?sessionTimeout=${4_000 + writer}ms`,
    remove: async ({ service, id }) => {
      await using client = await connectClient(sharedServer('zookeeper'));
      await client.zk.delete(`/one-id-twice/${service}/${id}`, -1);
    },
    noticedMs: 0,
  },
  {
    name: 'consul',
    url: () => `consul://${sharedServer('consul')}?ttl=2s`,
    remove: async ({ service, id }) => {
      const path = `/v1/agent/service/deregister/${encodeURIComponent(entryId(service, id))}`;
      await fetch(`http://${sharedServer('consul')}${path}`, { method: 'PUT' });
    },
    noticedMs: 700,
  },
];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-one-id-'));
});

afterAll(() => rm(directory, { recursive: true }));

describe.each(BACKENDS)('on $name', ({ url, remove, noticedMs }) => {
  let service: string;
  let closers: (() => Promise<void>)[];

  beforeEach(() => {
    service = freshService('one-id-twice');
    closers = [];
  });

  afterEach(async () => {
    for (const close of closers.reverse()) await close();
  });

  interface Writer {
    readonly announcer: Announcer;
    readonly writes: number[];
    readonly losses: string[];
    readonly instance: Instance;
    leave(): Promise<void>;
  }

  /** With a registry of its own, as another process would have. */
  async function writer(port: number): Promise<Writer> {
    const registry = await openWritable(url(port));
    const options = { clock: systemClock, random: systemRandom(), logger: silentLogger };
    const announcer = new Announcer(registry, service, options);
    closers.push(
      () => registry.close(),
      () => announcer.close(),
    );
    const writes: number[] = [];
    const losses: string[] = [];
    announcer.onOperation(({ operation }) => operation === 'confirm' || writes.push(performance.now()));
    announcer.onLost((reason) => losses.push(reason));
    const instance = instanceOf({ service, id: 'same', port });
    const leave = async (): Promise<void> => {
      announcer.announce(undefined, 'down');
      await announcer.untilSettled(AbortSignal.timeout(10_000));
    };
    return { announcer, writes, losses, instance, leave };
  }

  async function announced(port: number): Promise<Writer> {
    const one = await writer(port);
    one.announcer.announce(one.instance, 'up');
    await one.announcer.untilSettled(AbortSignal.timeout(10_000));
    return one;
  }

  test('an id that comes up twice is taken over once, and then nobody fights; whoever waits follows whoever goes', async () => {
    const first = await announced(1111);
    const second = await announced(2222);
    await eventually('the first knows that its id was taken', () => first.announcer.inConflict);
    const before = first.writes.length + second.writes.length;
    await delay(3_000);
    expect(first.writes.length + second.writes.length).toBe(before);
    expect(before).toBe(2);
    expect(first.losses).toEqual(['taken']);
    expect(second.losses).toEqual([]);
    expect([first.announcer.inConflict, second.announcer.inConflict]).toEqual([true, false]);

    await second.leave();
    await eventually('the first is back', () => first.announcer.confirmed !== undefined, 8_000);
    expect(first.announcer.inConflict).toBe(false);
    expect(first.writes).toHaveLength(2);
  });

  test('an entry that somebody deletes is back within a second, and is written once a second at most', async () => {
    const one = await announced(1111);
    for (let deletion = 1; deletion <= 3; deletion++) {
      await remove(one.instance);
      const deletedAt = performance.now();
      await eventually('it is back', () => one.losses.length === deletion && one.announcer.settled);
      expect(performance.now() - deletedAt).toBeLessThan(1_000 + noticedMs + SLACK_MS);
    }
    expect(one.losses).toEqual(['deleted', 'deleted', 'deleted']);
    expect(one.writes).toHaveLength(4);
  });
});
