/** What every registry that can be written promises to the sidecar. Run it against a new backend with `RegistryHarness`. */
import assert from 'node:assert/strict';
import { sleep, systemClock } from '../../runtime/clock.js';
import type { Instance, LostReason, Registration, Registry } from '../contract.js';
import { type ContractCase, freshService, idsOf, instanceOf, type RegistryHarness } from './harness.js';
import { Watching } from './watching.js';

/** What other work on the same machine may add: the limits end what stays, they do not measure a TTL. */
const BUSY_MACHINE_MS = 10_000;

/** A writer, an independent reader that watches the service, and an instance to register. */
interface Scene {
  readonly registry: Registry;
  readonly watching: Watching;
  readonly instance: Instance;
}

async function scene(harness: RegistryHarness, work: (scene: Scene) => Promise<void>): Promise<void> {
  const instance = instanceOf({ service: freshService(), id: 'one' });
  const registry = await harness.open();
  const reader = await harness.open();
  const watching = new Watching(reader, instance.service);
  try {
    await work({ registry, watching, instance });
  } finally {
    await watching.close();
    await Promise.all([registry.close(), reader.close()]);
  }
}

/** Sees an instance come with its owner, and end with its TTL. */
async function outlive(harness: RegistryHarness, watching: Watching, instance: Instance): Promise<void> {
  const owner = await harness.startOwner(instance);
  await watching.until('the instance', listed(instance.id));
  await owner.kill();
  await watching.until('nothing', (list) => list.instances.length === 0, harness.ttlMs + BUSY_MACHINE_MS);
}

/** The reason, or an error when the registration is not lost in time. */
async function lostWithin(registration: Registration, ms: number): Promise<LostReason> {
  const late = sleep(systemClock, ms).then(() => assert.fail(`not lost within ${ms} ms`));
  return Promise.race([registration.lost, late]);
}

const listed = (id: string) => (list: { instances: readonly Instance[] }) =>
  list.instances.some((instance) => instance.id === id);

/** True for a list of nothing but this instance, with this status and note. */
const shows =
  ({ id, status, note }: Instance) =>
  ({ instances }: { instances: readonly Instance[] }) =>
    instances.length === 1 &&
    instances[0]?.id === id &&
    instances[0].status === status &&
    instances[0].note === note;

export const registryContract: readonly ContractCase<RegistryHarness>[] = [
  {
    name: 'a registered instance becomes visible, and confirms itself',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register(instance);
        const list = await watching.until('the instance', listed('one'));
        assert.deepEqual({ ...list.instances[0] }, { ...instance });
        assert.equal(await registration.confirm(), 'present');
      }),
  },
  {
    name: 'an update replaces the data in place, without a list that lacks the instance',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register(instance);
        await watching.until('the instance', listed('one'));
        const before = watching.seen.length;
        for (const weight of [2, 3, 4]) {
          await registration.update({ ...instance, weight });
          await watching.until(`weight ${weight}`, (list) => list.instances[0]?.weight === weight);
        }
        assert.ok(watching.seen.slice(before).every((list) => idsOf(list).join() === 'one'));
        assert.equal(registration.instance.weight, 4);
        assert.equal(await registration.confirm(), 'present');
      }),
  },
  {
    name: 'a warning instance stays listed, with its status',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register({ ...instance, status: 'warning' });
        await watching.until('a warning', (list) => list.instances[0]?.status === 'warning');
        await registration.update({ ...instance, status: 'passing' });
        await watching.until('passing', (list) => list.instances[0]?.status === 'passing');
      }),
  },
  {
    name: 'an instance that drains or is in maintenance stays listed with its note, and returns to passing in place',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register(instance);
        await watching.until('the instance', listed('one'));
        const before = watching.seen.length;
        const states: readonly Partial<Instance>[] = [
          { status: 'draining' },
          { status: 'maintenance', note: 'new disk: ünïcode & more' },
          { status: 'draining', note: '' },
          { status: 'warning', note: undefined },
        ];
        for (const state of [...states, instance]) {
          const next = { ...instance, ...state };
          await registration.update(next);
          await watching.until(JSON.stringify(state), shows(next));
          assert.equal(await registration.confirm(), 'present');
        }
        assert.ok(watching.seen.slice(before).every((list) => idsOf(list).join() === 'one'));
      }),
  },
  {
    name: 'an instance that goes from draining to maintenance is never listed as passing between them',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register({ ...instance, status: 'draining', note: '0' });
        for (const [index, status] of (['maintenance', 'draining', 'maintenance'] as const).entries()) {
          const next = { ...instance, status, note: `${index}` };
          await registration.update(next);
          await watching.until(`${status} ${index}`, shows(next));
        }
        const statuses = watching.seen.flatMap((list) => list.instances.map(({ status }) => status));
        assert.deepEqual(
          statuses.filter((status) => status !== 'draining' && status !== 'maintenance'),
          [],
        );
      }),
  },
  {
    name: 'an owner that takes over an instance in maintenance can make it passing',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const resting: Instance = { ...instance, status: 'maintenance', note: 'left behind' };
        const owner = await harness.startOwner(resting);
        await watching.until('the maintenance', shows(resting));
        await owner.kill();
        const registration = await registry.register(instance);
        await watching.until('passing', shows(instance));
        assert.equal(await registration.confirm(), 'present');
      }),
  },
  {
    name: 'the entry of an owner that was killed in maintenance is gone within its TTL',
    run: (harness) =>
      scene(harness, ({ watching, instance }) =>
        outlive(harness, watching, { ...instance, status: 'maintenance' }),
      ),
  },
  {
    name: 'a closed registration is gone when close resolves, and closing again does nothing',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register(instance);
        await watching.until('the instance', listed('one'));
        await registration.close();
        await registration.close();
        await watching.until('nothing', (list) => list.instances.length === 0);
        await assert.rejects(registration.update(instance), { code: 'CLOSED' });
      }),
  },
  {
    name: 'closing the registry removes its registrations',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        await registry.register(instance);
        await registry.register({ ...instance, id: 'two' });
        await watching.until('both', (list) => list.instances.length === 2);
        await registry.close();
        await watching.until('nothing', (list) => list.instances.length === 0);
      }),
  },
  {
    name: 'the entry of a killed owner is gone within its TTL',
    run: (harness) => scene(harness, ({ watching, instance }) => outlive(harness, watching, instance)),
  },
  {
    name: 'an id left by a killed owner is taken over without ever leaving the list',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const owner = await harness.startOwner(instance);
        await watching.until('the instance', listed('one'));
        const before = watching.seen.length;
        await owner.kill();
        const registration = await registry.register({ ...instance, weight: 5 });
        await watching.until('the new data', (list) => list.instances[0]?.weight === 5);
        await sleep(systemClock, harness.ttlMs);
        assert.ok(watching.seen.slice(before).every((list) => idsOf(list).join() === 'one'));
        assert.equal(await registration.confirm(), 'present');
      }),
  },
  {
    name: 'lost resolves when somebody deletes the entry',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const registration = await registry.register(instance);
        await watching.until('the instance', listed('one'));
        await harness.remove(instance);
        assert.equal(await lostWithin(registration, harness.ttlMs + BUSY_MACHINE_MS), 'deleted');
        assert.equal(await registration.confirm(), 'absent');
        const again = await registry.register(instance);
        assert.equal(await again.confirm(), 'present');
      }),
  },
  {
    name: 'a watch and a registration come through a restart of the server',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        let registration = await registry.register(instance);
        const keep = async (): Promise<void> => {
          await registration.lost;
          registration = await registerSoon(registry, instance);
          return keep();
        };
        void keep().catch(() => {});
        await watching.until('the instance', listed('one'));
        await harness.restart();
        const second = await registerSoon(registry, { ...instance, id: 'two' });
        await watching.until('both', (list) => idsOf(list).join() === 'one,two', 60_000);
        assert.equal(await second.confirm(), 'present');
        await second.close();
        await watching.until('only the first', (list) => idsOf(list).join() === 'one', 60_000);
      }),
  },
  {
    name: 'an aborted register leaves nothing behind',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const reason = new Error('changed my mind');
        const attempts = Array.from({ length: 10 }, (_, index) => {
          const abort = new AbortController();
          const attempt = registry.register(
            { ...instance, id: `aborted-${index}` },
            { signal: abort.signal },
          );
          setTimeout(() => abort.abort(reason), index);
          return attempt
            .then((registration) => registration.close())
            .catch((error) => assert.equal(error, reason));
        });
        await Promise.all(attempts);
        await registry.register(instance);
        await watching.until('only the one that was meant', (list) => idsOf(list).join() === 'one');
      }),
  },
  {
    name: 'says when what an aborted register may have left is gone, and of others that there is nothing',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const other = { ...instance, id: 'other' };
        const registration = await registry.register(other);
        const gone = Array.from({ length: 10 }, async (_, index) => {
          const one = { ...instance, id: `aborted-${index}` };
          const abort = new AbortController();
          const attempt = registry.register(one, { signal: abort.signal });
          setTimeout(() => abort.abort(new Error('changed my mind')), index);
          await attempt.then((registered) => registered.close()).catch(() => registry.leftovers?.(one));
        });
        await Promise.all(gone);
        await watching.until('only the other', (list) => idsOf(list).join() === 'other');
        assert.equal(registry.leftovers?.(other), undefined);
        await registration.close();
      }),
  },
  {
    name: 'closing the registry removes what an aborted register left',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const abort = new AbortController();
        const attempts = Array.from({ length: 10 }, (_, index) =>
          registry.register({ ...instance, id: `aborted-${index}` }, { signal: abort.signal }),
        );
        await watching.until('one of them', (list) => list.instances.length > 0);
        abort.abort(new Error('the process stops'));
        await Promise.allSettled(attempts);
        await registry.close();
        await watching.until('none of them', (list) => list.instances.length === 0);
      }),
  },
  {
    name: '1,000 registrations of one process live side by side',
    run: (harness) =>
      scene(harness, async ({ registry, watching, instance }) => {
        const all = Array.from({ length: 1000 }, (_, index) => ({ ...instance, id: `i-${index}` }));
        const registrations = await Promise.all(all.map((one) => registry.register(one)));
        await watching.until('all', (list) => list.instances.length === 1000, 110_000);
        await Promise.all(registrations.map((registration) => registration.close()));
        await watching.until('none', (list) => list.instances.length === 0, 60_000);
      }),
  },
];

/** After a restart the first calls may still meet the broken connection; the sidecar tries again, and so does this. */
async function registerSoon(registry: Registry, instance: Instance): Promise<Registration> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await registry.register(instance);
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(systemClock, 500);
    }
  }
}
