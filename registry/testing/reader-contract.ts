/** What every registry promises to whoever reads it. Run it against a new backend with `ReaderHarness`. */
import assert from 'node:assert/strict';
import { INSTANCE_STATUSES, type RegistryReader } from '../contract.js';
import { type ContractCase, freshService, idsOf, instanceOf, type ReaderHarness } from './harness.js';
import { Watching } from './watching.js';

/** Opens a registry and a watch for one case, and closes both whatever happens. */
async function reading(
  harness: Pick<ReaderHarness, 'open'>,
  service: string,
  work: (watching: Watching, registry: RegistryReader) => Promise<void>,
): Promise<void> {
  const registry = await harness.open();
  const watching = new Watching(registry, service);
  try {
    await work(watching, registry);
  } finally {
    await watching.close();
    await registry.close();
  }
}

export const readerContract: readonly ContractCase<ReaderHarness>[] = [
  {
    name: 'a watch yields the current list at once',
    async run(harness) {
      const service = freshService();
      await harness.publish(service, [instanceOf({ service, id: 'a' }), instanceOf({ service, id: 'b' })]);
      await reading(harness, service, async (watching) => {
        const { instances } = await watching.until('both', (list) => list.instances.length === 2);
        assert.deepEqual(instances[0], instanceOf({ service, id: 'a' }));
      });
    },
  },
  {
    name: 'every field of an instance arrives as it was written',
    async run(harness) {
      const service = freshService();
      const instance = instanceOf({
        service,
        id: 'full',
        host: '10.1.2.3',
        port: 65_535,
        weight: 7,
        zone: 'eu-1a',
        version: '1.2.3',
        tags: ['canary', 'with space'],
        metadata: { owner: 'team-a', note: 'ünïcode' },
      });
      await harness.publish(service, [instance]);
      await reading(harness, service, async (watching) => {
        const list = await watching.until('it', ({ instances }) => instances.length === 1);
        assert.deepEqual(JSON.parse(JSON.stringify(list.instances[0])), JSON.parse(JSON.stringify(instance)));
      });
    },
  },
  {
    name: 'an instance is listed whatever its status is, with the note that explains it',
    async run(harness) {
      const service = freshService();
      const list = INSTANCE_STATUSES.map((status, at) =>
        instanceOf({ service, id: `${at}`, status, note: status === 'maintenance' ? 'new disk' : undefined }),
      );
      await harness.publish(service, list);
      await reading(harness, service, async (watching) => {
        const { instances } = await watching.until('all', (found) => found.instances.length === list.length);
        assert.deepEqual(
          instances.map(({ status, note }) => [status, note]),
          list.map(({ status, note }) => [status, note]),
        );
      });
    },
  },
  {
    name: 'additions, updates and removals each arrive as a new whole list',
    async run(harness) {
      const service = freshService();
      await reading(harness, service, async (watching) => {
        await harness.publish(service, [instanceOf({ service, id: 'a' })]);
        await watching.until('a', (list) => idsOf(list).join() === 'a');
        await harness.publish(service, [
          instanceOf({ service, id: 'a', weight: 9 }),
          instanceOf({ service, id: 'b' }),
        ]);
        await watching.until('a with weight 9, and b', (list) => {
          return idsOf(list).join() === 'a,b' && list.instances[0]?.weight === 9;
        });
        await harness.publish(service, [instanceOf({ service, id: 'b' })]);
        await watching.until('only b', (list) => idsOf(list).join() === 'b');
      });
    },
  },
  {
    name: 'revisions never go back',
    async run(harness) {
      const service = freshService();
      await reading(harness, service, async (watching) => {
        for (const ids of [['a'], ['a', 'b'], ['b']]) {
          await harness.publish(
            service,
            ids.map((id) => instanceOf({ service, id })),
          );
          await watching.until(ids.join(), (list) => idsOf(list).join() === ids.join());
        }
        const revisions = watching.seen.map(({ revision }) => revision);
        assert.deepEqual(
          revisions,
          revisions.toSorted((a, b) => a - b),
        );
      });
    },
  },
  {
    name: 'a service that does not exist is an empty list, and is seen when it appears',
    async run(harness) {
      const service = freshService();
      await reading(harness, service, async (watching) => {
        const first = await watching.until('any list', () => true);
        assert.deepEqual(first.instances, []);
        await harness.publish(service, [instanceOf({ service })]);
        await watching.until('the new instance', (list) => list.instances.length === 1);
      });
    },
  },
  {
    name: 'a service whose last instance left is an empty list',
    async run(harness) {
      const service = freshService();
      await harness.publish(service, [instanceOf({ service })]);
      await reading(harness, service, async (watching) => {
        await watching.until('one', (list) => list.instances.length === 1);
        await harness.publish(service, []);
        await watching.until('none', (list) => list.instances.length === 0);
      });
    },
  },
  {
    name: 'a service sees nothing of another whose name starts alike',
    async run(harness) {
      const service = freshService();
      const longer = `${service}-admin`;
      await harness.publish(longer, [instanceOf({ service: longer, id: 'other' })]);
      await harness.publish(service, [instanceOf({ service, id: 'mine' })]);
      await reading(harness, service, async (watching) => {
        const list = await watching.until('a list', ({ instances }) => instances.length > 0);
        assert.deepEqual(idsOf(list), ['mine']);
      });
    },
  },
  {
    name: 'one poison entry is rejected by name and spoils nothing',
    async run(harness) {
      const service = freshService();
      await harness.publish(service, [instanceOf({ service, id: 'a' }), instanceOf({ service, id: 'z' })]);
      await harness.poison(service, 'm');
      await reading(harness, service, async (watching) => {
        const list = await watching.until('the rejection', ({ rejected }) => rejected.length === 1);
        assert.deepEqual(idsOf(list), ['a', 'z']);
        assert.match(list.rejected[0]?.entry ?? '', /m/);
        assert.match(list.rejected[0]?.reason ?? '', /expected .+, got .+, at .+/);
      });
    },
  },
  {
    name: 'an entry that turns into nonsense keeps what it said until it is repaired or gone',
    async run(harness) {
      const service = freshService();
      const [a, b] = [instanceOf({ service, id: 'a' }), instanceOf({ service, id: 'b', port: 8081 })];
      await harness.publish(service, [a, b]);
      await reading(harness, service, async (watching) => {
        const { instances } = await watching.until('both', (list) => list.instances.length === 2);
        const spoil = async (): Promise<void> => {
          await harness.spoil(a);
          const list = await watching.until('the rejection', ({ rejected }) => rejected.length === 1);
          assert.deepEqual(list.instances, instances);
        };
        await spoil();
        await harness.publish(service, [a, b]);
        await watching.until('the repair', ({ rejected }) => rejected.length === 0);
        assert.ok(watching.seen.every((list) => list.instances.length === 2));
        await spoil();
        await harness.publish(service, [b]);
        const left = await watching.until('the end of it', ({ rejected }) => rejected.length === 0);
        assert.deepEqual(idsOf(left), ['b']);
      });
    },
  },
  {
    name: 'a list of 1,000 instances arrives whole',
    async run(harness) {
      const service = freshService();
      const ids = Array.from({ length: 1000 }, (_, index) => `i-${String(index).padStart(4, '0')}`);
      await harness.publish(
        service,
        ids.map((id, index) => instanceOf({ service, id, port: 1024 + index })),
      );
      await reading(harness, service, async (watching) => {
        const list = await watching.until('all', ({ instances }) => instances.length === 1000, 110_000);
        assert.deepEqual(idsOf(list), ids);
      });
      await harness.publish(service, []);
    },
  },
  {
    name: 'abort ends a silent watch promptly and without an error',
    async run(harness) {
      const registry = await harness.open();
      const abort = new AbortController();
      let lists = 0;
      let abortedAt = Number.POSITIVE_INFINITY;
      for await (const _ of registry.watch(freshService(), { signal: abort.signal })) {
        lists++;
        setTimeout(() => {
          abortedAt = performance.now();
          abort.abort(new Error('enough'));
        }, 50);
      }
      assert.ok(lists > 0);
      assert.ok(performance.now() - abortedAt < 5_000, 'the watch ended late');
      await registry.close();
    },
  },
  {
    name: 'the services are listed by name, and the registry says that it is connected',
    async run(harness) {
      const service = freshService();
      await harness.publish(service, [instanceOf({ service })]);
      const registry = await harness.open();
      await registry.ping();
      assert.equal(registry.state, 'connected');
      assert.ok((await registry.services()).includes(service));
      await registry.close();
      assert.equal(registry.state, 'closed');
    },
  },
  {
    name: 'a closed registry refuses every call and ends its watches',
    async run(harness) {
      const registry = await harness.open();
      const iterator = registry.watch(freshService())[Symbol.asyncIterator]();
      await iterator.next();
      const ending = iterator.next().catch(() => ({ done: true }));
      await registry.close();
      await registry.close();
      assert.equal((await ending).done, true);
      await assert.rejects(registry.ping(), { code: 'CLOSED' });
      await assert.rejects(registry.services(), { code: 'CLOSED' });
    },
  },
  {
    name: 'a name that could leave its place in the registry is refused',
    async run(harness) {
      const registry = await harness.open();
      for (const service of ['', '.', '..', 'a/b', '../a', 'a\u0000b', 'a b', 'x'.repeat(300)]) {
        const iterator = registry.watch(service)[Symbol.asyncIterator]();
        await assert.rejects(iterator.next(), { code: 'BAD_INPUT' }, JSON.stringify(service));
      }
      await registry.close();
    },
  },
];
