/** What a caller keeps when a real registry loses its data, or is not there at all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Registry } from '../../../registry/contract.js';
import { openWritable } from '../../../registry/open.js';
import { freshService, instanceOf } from '../../../registry/testing/index.js';
import { type ConnectOptions, connect, type ServiceHandle } from '../../../resolver/index.js';
import { answersOnTcp } from '../../../resolver/list/answers.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';
import { MachineNoise } from '../../helpers/machine-noise.js';
import { soon } from '../../helpers/soon.js';
import { type RunningServer, sharedServer, startServer } from '../../servers/index.js';

let consul: RunningServer;
let snapshotDir: string;

beforeAll(async () => {
  snapshotDir = await mkdtemp(join(tmpdir(), 'pilotfish-lists-'));
  consul = await startServer('consul');
});

afterAll(async () => {
  await consul.stop();
  await rm(snapshotDir, { recursive: true, force: true });
});

const consulUrl = () => `consul://${consul.address}?ttl=5s&wait=5s`;

async function writer(url: string): Promise<Registry> {
  const registry = await openWritable(url);
  onTestFinished(() => registry.close());
  return registry;
}

/** The list in use, after every change of it. */
interface Caller {
  readonly handle: ServiceHandle;
  readonly lists: string[];
  readonly close: () => Promise<void>;
}

async function caller(url: string, service: string, options: ConnectOptions = {}): Promise<Caller> {
  // A connection counts however long this machine takes over it.
  const hold = { answers: answersOnTcp(new VirtualClock()) };
  const discovery = await connect(url, { hold, ...options });
  const close = () => discovery.close();
  onTestFinished(close);
  const handle = discovery.service(service);
  const lists: string[] = [];
  handle.onChange(({ snapshot }) => lists.push(snapshot.instances.map(({ id }) => id).join('')));
  return { handle, lists, close };
}

/** The port of something that accepts connections, or of nothing any more. */
async function port(isOpen: boolean): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  if (isOpen) onTestFinished(close);
  else await close();
  return port;
}

describe('a whole list that vanishes', () => {
  test.each([
    ['zookeeper', () => `zookeeper://${sharedServer('zookeeper')}/list-life?sessionTimeout=4s`],
    ['etcd', () => `etcd://${sharedServer('etcd')}/list-life?ttl=5s`],
  ])('with its session in %s is kept as far as it answers, until it is back', async (_, url) => {
    const service = freshService('vanish');
    const ports = { a: await port(true), b: await port(true), c: await port(false) };
    const registerAll = async (registry: Registry): Promise<void> => {
      for (const [id, port] of Object.entries(ports))
        await registry.register(instanceOf({ service, id, port }));
    };
    const first = await writer(url());
    await registerAll(first);
    const { handle, lists } = await caller(url(), service);
    await handle.ready({ minEndpoints: 3 });
    const seen = lists.length;
    await first.close();
    await soon(() => expect(handle.held.map(({ instance }) => instance.id)).toEqual(['a', 'b']));
    await registerAll(await writer(url()));
    await soon(() => expect(handle.held).toEqual([]));
    await soon(() => expect(lists.at(-1)).toBe('abc'));
    expect(lists.slice(seen).every((list) => list.includes('ab'))).toBe(true);
  });
});

test('an agent that comes back empty costs a caller nothing, not even its only endpoint', async () => {
  const service = freshService('wiped');
  const a = instanceOf({ service, id: 'a', port: await port(true) });
  const registration = await (await writer(consulUrl())).register(a);
  const { handle, lists } = await caller(consulUrl(), service);
  await handle.ready();
  await consul.restart({ wipe: true });
  await registration.lost;
  await soon(() => expect([handle.state, handle.held.length]).toEqual(['fresh', 1]));
  expect(handle.pick().instance.id).toBe('a');
  await (await writer(consulUrl())).register(a);
  await soon(() => expect(handle.held).toEqual([]));
  expect(lists).toEqual(['a']);
});

describe('a start while the registry', () => {
  /** What an earlier process has seen and saved. */
  async function saved(service: string, snapshotDir: string): Promise<void> {
    const registry = await writer(consulUrl());
    await registry.register(instanceOf({ service, id: 'a', port: 81 }));
    const { handle, close } = await caller(consulUrl(), service, { snapshotDir });
    await handle.ready();
    await close();
  }

  test.each([
    ['is down', () => consul.kill(), () => consul.restart()],
    ['hangs', async () => consul.freeze(), async () => consul.thaw()],
  ])('%s picks at once, is ready in a second, and sees the registry come', async (_, down, up) => {
    const service = freshService('cold');
    await saved(service, snapshotDir);
    await down();
    await using noise = await MachineNoise.start();
    const begunAt = performance.now();
    const { handle } = await caller(consulUrl(), service, { snapshotDir });
    await vi.waitFor(() => expect(handle.pick().instance.id).toBe('a'), { timeout: 30_000, interval: 1 });
    const pickedMs = performance.now() - begunAt;
    await handle.ready();
    const readyMs = performance.now() - begunAt;
    expect(handle.state).toBe('snapshot');
    await up();
    await soon(() => expect(['fresh', 'empty']).toContain(handle.state));
    // 100 ms and a second are what is promised on a quiet machine; 5 s and more is what a registry that hangs would take.
    const lostMs = await noise.total();
    expect(pickedMs).toBeLessThan(2_000 + lostMs);
    expect(readyMs).toBeLessThan(4_000 + lostMs);
  });

  test('is down, with no file, says so at the deadline', async () => {
    await consul.kill();
    const { handle } = await caller(consulUrl(), freshService('unknown'), { snapshotDir });
    await expect(handle.ready({ timeoutMs: 300 })).rejects.toMatchObject({
      code: 'NOT_RESOLVED',
      message: expect.stringContaining('after 300 ms'),
    });
    await consul.restart();
  });
});
