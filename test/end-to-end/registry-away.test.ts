import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../resolver/index.js';
import { runCli } from '../helpers/cli.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { type RunningServer, type ServerName, sharedServer, startServer } from '../servers/index.js';
import { TTL_MS } from './backends.js';
import { Caller, eventually, Sidecar, ToyService } from './world.js';

const BACKENDS: readonly { name: ServerName; url: (address: string) => string }[] = [
  { name: 'zookeeper', url: (address) => `zookeeper://${address}/away?sessionTimeout=2s` },
  { name: 'consul', url: (address) => `consul://${address}?ttl=2s` },
  { name: 'etcd', url: (address) => `etcd://${address}/away?ttl=2s` },
];

describe.each(BACKENDS)('while $name is away', ({ name, url }) => {
  let server: RunningServer;
  let service: ToyService;
  let registry: string;

  beforeEach(async () => {
    server = await startServer(name);
    service = await ToyService.start();
    registry = url(server.address);
  });

  afterEach(async () => {
    await service.die();
    await server.stop();
  });

  const sidecarArgs = (): string[] => [
    ...['--service', 'orders', '--id', 'one', '--port', String(service.port), '--probe', 'http:/health'],
  ];

  test('the caller keeps its list, the sidecar keeps probing, and both say so; then everything is as before', async () => {
    const sidecar = await Sidecar.start(registry, sidecarArgs());
    const caller = await Caller.of(registry, 'orders', {});
    await caller.sees('one');
    const lists: number[] = [];
    caller.service.onChange(({ snapshot }) => lists.push(snapshot.instances.length));

    await server.kill();
    await eventually('the caller knows that its list is stale', () => caller.service.state === 'stale');
    expect(caller.service.pick().instance.id).toBe('one');
    await eventually('the list grows older', () => (caller.service.staleMs ?? 0) > 500);
    await eventually(
      'the sidecar knows',
      async () => (await sidecar.status()).registries[0]?.state !== 'connected',
    );
    await eventually('it says why', async () => {
      return /ECONNREFUSED/.test((await sidecar.status()).registries[0]?.trouble ?? '');
    });
    const checks = await checksOf(sidecar);
    await eventually('checks go on', async () => (await checksOf(sidecar)) > checks + 2);

    await server.restart();
    await eventually('the list is fresh again', () => caller.service.state === 'fresh', 30_000);
    await caller.sees('one');
    await eventually(
      'the sidecar is connected again',
      async () => (await sidecar.status()).registries[0]?.state === 'connected',
      30_000,
    );
    await eventually('the sidecar is ready', async () => (await sidecar.get('/readyz')).status === 200);
    expect(lists).not.toContain(0);
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
    const moves = sidecar.log.filter(({ message }) => message === 'the registry connection changed');
    const leaving = moves.filter(({ state }) => state !== 'connected' && state !== 'closed');
    expect(leaving.length).toBeGreaterThan(0);
    for (const move of leaving)
      expect(move).toMatchObject({ level: 'warn', cause: expect.stringMatching(/\S/) });
    for (const move of moves.filter((each) => !leaving.includes(each))) expect(move.cause).toBeUndefined();
    // The registry was away a moment ago: whoever vanishes now is held for as long as it answers.
    await service.die();
    await caller.sees();
    await caller.close();
  });

  test('a sidecar starts all the same, says why it is not ready, and registers when the registry comes', async () => {
    await server.kill();
    const sidecar = await Sidecar.start(registry, sidecarArgs());
    await eventually('the service is healthy', async () => {
      return (await sidecar.status()).services[0]?.health.state === 'passing';
    });
    const { status, text } = await sidecar.get('/readyz');
    expect(status).toBe(503);
    expect(JSON.parse(text).reasons[0]).toMatch(/orders is not yet registered in (zookeeper|consul|etcd):/);
    expect((await sidecar.get('/healthz')).status).toBe(200);
    await server.restart();
    await eventually('ready', async () => (await sidecar.get('/readyz')).status === 200, 30_000);
    await sidecar.terminate();
  });

  test('a caller that starts is told so at its deadline', async () => {
    await server.kill();
    const discovery = await connect(registry);
    const orders = discovery.service('orders');
    expect(orders.state).toBe('never');
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'NOT_RESOLVED' }));
    await expect(orders.ready({ timeoutMs: 300 })).rejects.toMatchObject({
      code: 'NOT_RESOLVED',
      message: expect.stringContaining('after 300 ms'),
    });
    await discovery.close();
    expect(await runCli(['resolve', 'orders', '--registry', registry, '--timeout', '300ms'])).toMatchObject({
      code: 1,
    });
  });

  test('SIGTERM still ends the sidecar', async () => {
    const sidecar = await Sidecar.start(registry, [...sidecarArgs(), '--drain-timeout', '3s']);
    await eventually('ready', async () => (await sidecar.get('/readyz')).status === 200);
    await server.kill();
    const { code, stdout } = await sidecar.terminate();
    expect(code).toBe(1);
    expect(stdout).toMatch(/could not confirm that everything is deregistered/);
  });
});

describe.each([
  ['zookeeper', (address: string) => `zookeeper://${address}/silent?sessionTimeout=10s`],
  ['etcd', (address: string) => `etcd://${address}/silent?ttl=10s`],
  ['consul', (address: string) => `consul://${address}?ttl=10s`],
] as const)('while the answers of %s are lost', (name, urlOf) => {
  test('SIGTERM ends a sidecar whose registration hangs with 1: nobody knows what became of it', async () => {
    await using proxy = await FaultProxy.start(sharedServer(name));
    const service = await ToyService.start();
    const [url, self] = [urlOf(proxy.address), `silent-${process.pid}-${name}`];
    const probe = ['--port', `${service.port}`, '--probe', 'http:/health', '--drain-timeout', '2s'];
    const sidecar = await Sidecar.start(url, ['--service', self, '--id', 'one', ...probe]);
    const caller = await Caller.of(urlOf(sharedServer(name)), self);
    await caller.sees('one');
    service.mood = 'unwell';
    await eventually('deregistered', () => sidecar.output.includes('"deregistered"'));
    proxy.stall('down');
    service.mood = 'well';
    await eventually('a registration', () => times(sidecar, '"to":"passing"') === 2);
    const { code, stdout } = await sidecar.terminate();
    expect(code).toBe(1);
    expect(stdout).toContain(`"unconfirmed":["${self} in ${url}"]`);
    await caller.close();
    await service.die();
  });
});

describe.each([
  ['etcd', (address: string) => `etcd://${address}/blink?ttl=${TTL_MS / 1000}s`],
  ['consul', (address: string) => `consul://${address}?ttl=${TTL_MS / 1000}s`],
] as const)('a service that fails and is well again while %s is away', (name, urlOf) => {
  let proxy: FaultProxy;
  let service: ToyService;
  let sidecar: Sidecar;
  let caller: Caller;

  beforeEach(async () => {
    proxy = await FaultProxy.start(sharedServer(name));
    service = await ToyService.start();
    const [url, self] = [urlOf(proxy.address), `blink-${process.pid}-${++blinks}`];
    const probe = ['--port', `${service.port}`, '--probe', 'http:/health'];
    sidecar = await Sidecar.start(url, ['--service', self, '--id', 'one', ...probe]);
    caller = await Caller.of(urlOf(sharedServer(name)), self);
    await caller.sees('one');
    await eventually('confirmed', async () => (await sidecar.get('/readyz')).status === 200);
    proxy.refuse();
    service.mood = 'unwell';
    await eventually('a deregistration in vain', () => sidecar.output.includes('trying again'));
    service.mood = 'well';
    await eventually('well again', () => times(sidecar, '"to":"passing"') === 2);
  });

  afterEach(async () => {
    await sidecar.kill();
    await caller.close();
    await service.die();
    await proxy[Symbol.asyncDispose]();
  });

  test('is not ready until the registry is back, and listed then, also a whole TTL later', async () => {
    await caller.sees();
    expect((await sidecar.get('/readyz')).status).toBe(503);
    await proxy.heal();
    await caller.sees('one');
    await eventually('ready', async () => (await sidecar.get('/readyz')).status === 200);
    await delay(2 * TTL_MS);
    await caller.sees('one');
    await eventually('still ready', async () => (await sidecar.get('/readyz')).status === 200);
  });
});

let blinks = 0;

const times = ({ output }: Sidecar, text: string): number => output.split(text).length - 1;

async function checksOf(sidecar: Sidecar): Promise<number> {
  const match = /pilotfish_checks_total\{[^}]*result="passing"\} (\d+)/.exec(
    (await sidecar.get('/metrics')).text,
  );
  return Number(match?.[1] ?? 0);
}
