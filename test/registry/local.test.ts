/** The embedded registry when its directory is taken away, cannot be written, or is full of what is over. */
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Registry } from '../../registry/contract.js';
import { systemHostTime } from '../../registry/local/host-time.js';
import { LocalRegistry } from '../../registry/local/local.js';
import { openWritable } from '../../registry/open.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { Watching } from '../../registry/testing/watching.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { soon } from '../helpers/soon.js';

/** Longer than a busy machine keeps a process from renewing its lease. */
const TTL_MS = 6_000;
const orders = instanceOf({ service: 'orders', id: 'a' });

let root: string;
let registry: Registry;
let watching: Watching;

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'pilotfish-local-')), 'registry');
  registry = await openWritable(`local:${root}?ttl=${TTL_MS}ms&poll=50ms`);
  watching = new Watching(registry, 'orders');
});

afterEach(async () => {
  await watching.close();
  await registry.close();
  await rm(join(root, '..'), { recursive: true });
});

const untilListed = () => watching.until('the instance', ({ instances }) => instances.length === 1);
const untilGone = () => watching.until('nothing', ({ instances }) => instances.length === 0);

/** As a full disk or lost rights do it, for root as well: a file stands where the directory of the leases was. */
async function breakLeases(): Promise<void> {
  await rename(join(root, 'leases'), join(root, 'away'));
  await writeFile(join(root, 'leases'), '');
}

async function mendLeases(): Promise<void> {
  await rm(join(root, 'leases'));
  await rename(join(root, 'away'), join(root, 'leases'));
}

test('a directory that somebody removed is made anew by whoever registers next', async () => {
  const { lost } = await registry.register(orders);
  await untilListed();
  await rm(root, { recursive: true });
  expect(await lost).toBe('deleted');
  await untilGone();
  await registry.register(orders);
  await untilListed();
});

test('a lease that somebody removed is written again at its next renewal, and nothing is lost', async () => {
  const leases = (): Promise<string[]> => readdir(join(root, 'leases'));
  const registration = await registry.register(orders);
  await untilListed();
  const before = await leases();
  await rm(join(root, 'leases'), { recursive: true });
  await soon(async () => expect(await leases()).toEqual(before));
  expect(await registration.confirm()).toBe('present');
  expect(registry.state).toBe('connected');
});

test('while its lease cannot be renewed it is suspended and says why, and then it registers again', async () => {
  const { lost } = await registry.register(orders);
  await untilListed();
  await breakLeases();
  await soon(() =>
    expect(registry).toMatchObject({ state: 'suspended', trouble: expect.stringMatching(/E(EXIST|NOTDIR)/) }),
  );
  await untilGone();
  await mendLeases();
  expect(await lost).toBe('expired');
  expect(registry).toMatchObject({ state: 'connected', trouble: undefined });
  await registry.register(orders);
  await untilListed();
});

test('a lease that could not be written at first does not stand in the way of the next try', async () => {
  await registry.ping();
  await breakLeases();
  await expect(registry.register(orders)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await mendLeases();
  await registry.register(orders);
  await untilListed();
});

test('a root that is no directory is told with its reason', async () => {
  const file = join(root, '..', 'file');
  await writeFile(file, '');
  const broken = await openWritable(`local:${file}`);
  await expect(broken.ping()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/EEXIST|ENOTDIR/),
  });
  expect(broken).toMatchObject({ state: 'connecting', trouble: expect.stringMatching(/EEXIST|ENOTDIR/) });
  await broken.close();
});

test('a service whose instances have left is listed no more', async () => {
  const registration = await registry.register(orders);
  await registry.register({ ...orders, service: 'payments' });
  await mkdir(join(root, 'services', 'never'));
  expect(await registry.services()).toEqual(['orders', 'payments']);
  await registration.close();
  expect(await registry.services()).toEqual(['payments']);
});

test('what a process left is removed by the next one that starts, and nothing of who starts at the same time', async () => {
  const [apart, entries] = [join(root, '..', 'apart'), join(root, 'services', 'orders')];
  const other = await openWritable(`local:${apart}?ttl=1h`);
  await other.register({ ...orders, id: 'b' });
  await registry.register(orders);
  await writeFile(join(entries, `c@${'0'.repeat(32)}.json`), '{}');
  let appear = (): void => cpSync(apart, root, { recursive: true });
  // It first asks for the time when it has listed the leases: in this moment the other process appears.
  const now = (): number => {
    appear();
    appear = () => {};
    return systemHostTime.now();
  };
  const late = new LocalRegistry(`local:${root}`, root, {
    ...{ ttlMs: TTL_MS, pollMs: 50, hostTime: { ...systemHostTime, now } },
    ...{ clock: systemClock, random: seededRandom(1), logger: silentLogger },
  });
  await late.register({ ...orders, id: 'd' });
  const ids = (await readdir(entries)).map((file) => file.split('@')[0]);
  expect(ids.sort()).toEqual(['a', 'b', 'd']);
  await Promise.all([late.close(), other.close()]);
});
