import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../resolver/index.js';
import { runCli } from '../helpers/cli.js';
import { type RunningServer, type ServerName, startServer } from '../servers/index.js';
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
    const caller = await Caller.of(registry, 'orders');
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
      'the sidecar is ready',
      async () => (await sidecar.get('/readyz')).status === 200,
      30_000,
    );
    expect(lists).not.toContain(0);
    await sidecar.terminate();
    const moves = sidecar.log.filter(({ message }) => message === 'the registry connection changed');
    const leaving = moves.filter(({ state }) => state !== 'connected' && state !== 'closed');
    expect(leaving.length).toBeGreaterThan(0);
    for (const move of leaving)
      expect(move).toMatchObject({ level: 'warn', cause: expect.stringMatching(/\S/) });
    for (const move of moves.filter((each) => !leaving.includes(each))) expect(move.cause).toBeUndefined();
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
    const told = orders.ready({ timeoutMs: 300 }).catch((error: unknown) => error);
    expect(await Promise.race([told, delay(600, 'late')])).toMatchObject({ code: 'NOT_RESOLVED' });
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

async function checksOf(sidecar: Sidecar): Promise<number> {
  const match = /pilotfish_checks_total\{[^}]*result="passing"\} (\d+)/.exec(
    (await sidecar.get('/metrics')).text,
  );
  return Number(match?.[1] ?? 0);
}
