/** Two announcers of one id on real registries: as when a machine is cloned, or a configuration copied. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entryId } from '../../registry/consul/entry.js';
import type { Instance } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { systemClock } from '../../runtime/clock.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { silentLogger } from '../../runtime/logger.js';
import { systemRandom } from '../../runtime/random.js';
import { Announcer } from '../../sidecar/announcer.js';
import { eventually } from '../end-to-end/world.js';
import { MachineNoise } from '../helpers/machine-noise.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

interface Backend {
  readonly name: string;
  /**
   * For a writer of that number. A ZooKeeper session is shared in a process, but not by timeouts that differ. A TTL is
   * longer than a busy machine keeps a writer from renewing its entry.
   */
  readonly url: (writer: number) => string;
  /** Deletes the entry behind its owner's back. */
  readonly remove: (instance: Instance) => Promise<void>;
  /** Until a deletion is noticed at the latest, in ms: at once where it is watched, else at the next heartbeat. */
  readonly noticedMs: number;
}

/** For what has no limit of its own. */
const PATIENCE_MS = 30_000;

const TTL_MS = 9_000;

let directory: string;

const BACKENDS: readonly Backend[] = [
  {
    name: 'local',
    url: () => `local:${directory}?ttl=${TTL_MS}ms&poll=200ms`,
    remove: async ({ service, id }) => {
      const entries = join(directory, 'services', service);
      const mine = (await readdir(entries)).filter((file) => file.startsWith(`${id}@`));
      await Promise.all(mine.map((file) => rm(join(entries, file))));
    },
    noticedMs: TTL_MS / 3,
  },
  {
    name: 'zookeeper',
    url: (writer) =>
      `zookeeper://${sharedServer('zookeeper')}/one-id-twice?sessionTimeout=${TTL_MS + writer}ms`,
    remove: async ({ service, id }) => {
      await using client = await connectClient(sharedServer('zookeeper'));
      await client.zk.delete(`/one-id-twice/${service}/${id}`, -1);
    },
    noticedMs: 0,
  },
  {
    name: 'consul',
    url: () => `consul://${sharedServer('consul')}?ttl=${TTL_MS}ms`,
    remove: async ({ service, id }) => {
      const path = `/v1/agent/service/deregister/${encodeURIComponent(entryId(service, id))}`;
      await fetch(`http://${sharedServer('consul')}${path}`, { method: 'PUT' });
    },
    noticedMs: TTL_MS / 3,
  },
];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-one-id-'));
});

afterAll(() => rm(directory, { recursive: true }));

interface Writer {
  readonly announcer: Announcer;
  /** When each write had its answer, in ms. */
  readonly writes: number[];
  readonly losses: string[];
  readonly instance: Instance;
  readonly leave: () => Promise<void>;
}

/** The writers of one service, each with a registry of its own, as another process would have. */
class Writers implements AsyncDisposable {
  readonly #service = freshService('one-id-twice');
  readonly #url: Backend['url'];
  readonly #closers = new CloseStack();

  constructor(url: Backend['url']) {
    this.#url = url;
  }

  async announced(port: number): Promise<Writer> {
    const one = await this.#writer(port);
    one.announcer.announce(one.instance, 'up');
    await one.announcer.untilSettled(AbortSignal.timeout(PATIENCE_MS));
    return one;
  }

  async #writer(port: number): Promise<Writer> {
    const registry = await openWritable(this.#url(port));
    const options = { clock: systemClock, random: systemRandom(), logger: silentLogger };
    const announcer = new Announcer(registry, this.#service, options);
    this.#closers.defer(() => registry.close());
    this.#closers.defer(() => announcer.close());
    const writes: number[] = [];
    const losses: string[] = [];
    announcer.onOperation(({ operation }) => operation === 'confirm' || writes.push(performance.now()));
    announcer.onLost((reason) => losses.push(reason));
    const instance = instanceOf({ service: this.#service, id: 'same', port });
    const leave = async (): Promise<void> => {
      announcer.announce(undefined, 'down');
      await announcer.untilSettled(AbortSignal.timeout(PATIENCE_MS));
    };
    return { announcer, writes, losses, instance, leave };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closers.close();
  }
}

describe.concurrent.each(BACKENDS)('on $name', ({ url, remove, noticedMs }) => {
  test('an id that comes up twice is taken over once, and then nobody fights; whoever waits follows whoever goes', async () => {
    await using writers = new Writers(url);
    const first = await writers.announced(1111);
    const second = await writers.announced(2222);
    await eventually('the first knows that its id was taken', () => first.announcer.inConflict);
    const before = first.writes.length + second.writes.length;
    await delay(3_000);
    expect(first.writes.length + second.writes.length).toBe(before);
    expect(before).toBe(2);
    expect(first.losses).toEqual(['taken']);
    expect(second.losses).toEqual([]);
    expect([first.announcer.inConflict, second.announcer.inConflict]).toEqual([true, false]);

    await second.leave();
    // Well below the 10 s for which it would wait by itself.
    await eventually('the first is back', () => first.announcer.confirmed !== undefined, 8_000);
    expect(first.announcer.inConflict).toBe(false);
    expect(first.writes).toHaveLength(2);
  });

  test('an entry that somebody deletes is back within a second, and is written once a second at most', async () => {
    await using writers = new Writers(url);
    await using noise = await MachineNoise.start();
    const one = await writers.announced(1111);
    const took: number[] = [];
    for (let deletion = 1; deletion <= 3; deletion++) {
      await remove(one.instance);
      const deletedAt = performance.now();
      await eventually('it is back', () => one.losses.length === deletion && one.announcer.settled);
      took.push(performance.now() - deletedAt);
    }
    expect(Math.max(...took)).toBeLessThan(1_000 + noticedMs + 1_000 + (await noise.total()));
    expect(one.losses).toEqual(['deleted', 'deleted', 'deleted']);
    expect(one.writes).toHaveLength(4);
    expect(Math.min(...gaps(one.writes))).toBeGreaterThan(900);
  });
});

function gaps(times: readonly number[]): readonly number[] {
  return times.slice(1).map((at, i) => at - (times[i] as number));
}
