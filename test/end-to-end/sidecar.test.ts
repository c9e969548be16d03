import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../helpers/cli.js';
import { BACKENDS, TTL_MS } from './backends.js';
import { Caller, eventually, Sidecar, ToyService } from './world.js';

let names = 0;

describe.each(BACKENDS)('a service beside a sidecar on $name', ({ url }) => {
  let name: string;
  let service: ToyService;
  let sidecar: Sidecar;
  let caller: Caller;

  const start = (...args: readonly string[]): Promise<Sidecar> =>
    Sidecar.start(url(), [
      ...['--service', name, '--id', 'one', '--port', String(service.port), '--probe', 'http:/health'],
      ...args,
    ]);

  beforeEach(async () => {
    name = `e2e-${process.pid}-${++names}`;
    service = await ToyService.start();
    caller = await Caller.of(url(), name);
  });

  afterEach(async () => {
    await sidecar.kill();
    await caller.close();
    await service.die();
  });

  test('is listed exactly while it is healthy', async () => {
    service.mood = 'unwell';
    sidecar = await start();
    await eventually('three failed checks', async () => {
      return /pilotfish_checks_total\{.*result="failing"\} [3-9]/.test((await sidecar.get('/metrics')).text);
    });
    await caller.sees();
    service.mood = 'well';
    await caller.sees('one');
    expect(caller.service.pick().endpoint).toEqual({ host: '127.0.0.1', port: service.port });
    service.mood = 'unwell';
    await caller.sees();
    service.mood = 'well';
    await caller.sees('one');
    service.mood = 'hanging';
    await caller.sees();
  });

  test('leaves when its port is refused and returns when it is back', async () => {
    sidecar = await start();
    await caller.sees('one');
    await service.die();
    await caller.sees();
    const [{ health, registrations } = never()] = (await sidecar.status()).services;
    expect(health.state).toBe('failing');
    expect(health.cause).toMatch(/refused/i);
    expect(registrations).toHaveLength(1);
    await eventually('the sidecar has it confirmed', async () => {
      return (await sidecar.status()).services[0]?.registrations[0]?.registered === false;
    });
    const unready = await sidecar.get('/readyz');
    expect([unready.status, unready.text]).toEqual([503, expect.stringMatching(/is failing: .*refused/i)]);
    await service.listen();
    await caller.sees('one');
    await eventually('ready', async () => (await sidecar.get('/readyz')).status === 200);
  });

  test('is gone when SIGTERM has ended the sidecar, which confirms that and exits 0', async () => {
    sidecar = await start();
    await caller.sees('one');
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
    expect(JSON.parse((await runCli(['ls', name, '--registry', url(), '--json'])).stdout)).toMatchObject({
      instances: [],
    });
    await caller.sees();
  });

  test('is gone within its TTL when the sidecar is killed', async () => {
    sidecar = await start();
    await caller.sees('one');
    await sidecar.kill();
    const killedAt = performance.now();
    await caller.sees();
    expect(performance.now() - killedAt).toBeLessThan(TTL_MS * 2 + 5_000);
  });

  test('stays listed when the sidecar is killed and started again within its TTL', async () => {
    sidecar = await start();
    await caller.sees('one');
    const lists: number[] = [];
    caller.service.onChange(({ snapshot }) => lists.push(snapshot.instances.length));
    for (let weight = 2, isQuick = false; !isQuick; weight++) {
      lists.length = 0;
      await sidecar.kill();
      const killedAt = performance.now();
      sidecar = await start('--weight', `${weight}`);
      await eventually('the new sidecar owns the entry', () => {
        return caller.service.snapshot?.instances[0]?.weight === weight;
      });
      // On a machine too busy to start a sidecar within the TTL that is no restart within the TTL: once more.
      isQuick = performance.now() - killedAt < TTL_MS * 0.75;
    }
    await delay(TTL_MS * 1.25);
    expect(caller.ids()).toEqual(['one']);
    expect(lists).not.toContain(0);
  });

  test('is reported ready, healthy and registered, and its metrics say so', async () => {
    sidecar = await start();
    await caller.sees('one');
    await eventually('ready', async () => (await sidecar.get('/readyz')).status === 200);
    expect((await sidecar.get('/healthz')).status).toBe(200);
    const { services, registries } = await sidecar.status();
    const [{ health, registrations } = never()] = services;
    expect(registries).toMatchObject([{ state: 'connected', session: { timeoutMs: TTL_MS } }]);
    expect(health.state).toBe('passing');
    expect(registrations).toMatchObject([{ registered: true }]);
    const metrics = (await sidecar.get('/metrics')).text;
    expect(metrics).toContain(`pilotfish_service_health{service="${name}",id="one",state="passing"} 1`);
    expect(metrics).toMatch(
      new RegExp(`pilotfish_registered\\{service="${name}",id="one",registry="[^"]+"\\} 1`),
    );
    expect(metrics).toMatch(/pilotfish_registry_operations_total\{[^}]*operation="register",result="ok"\} 1/);
  });

  test('logs one JSON line per transition, each with its cause', async () => {
    sidecar = await start();
    await caller.sees('one');
    service.mood = 'unwell';
    await caller.sees();
    await sidecar.terminate();
    const transitions = sidecar.log.filter(({ message }) => message === 'health changed');
    expect(transitions.map(({ to }) => to)).toEqual(['passing', 'failing']);
    expect(transitions[1]?.cause).toMatch(/500/);
    const registrations = sidecar.log.filter(({ message }) => /^(de)?registered$/.test(String(message)));
    expect(registrations.map(({ message }) => message)).toEqual(['registered', 'deregistered']);
    expect(registrations.every(({ cause }) => typeof cause === 'string' && cause !== '')).toBe(true);
  });
});

describe('heartbeats', () => {
  test('list a service while they come, and silence past the TTL takes it out', async () => {
    const name = `e2e-beats-${process.pid}`;
    const [{ url: urlOf } = never()] = BACKENDS;
    const url = urlOf();
    const sidecar = await Sidecar.start(url, [
      '--service',
      name,
      '--port',
      '9',
      '--probe',
      // Longer than a busy machine takes to run the command that sends one.
      'ttl:4s',
      '--id',
      'one',
    ]);
    const caller = await Caller.of(url, name);
    const beat = (...args: readonly string[]) =>
      runCli(['heartbeat', name, ...args, '--admin', sidecar.adminUrl]);
    expect(await beat()).toMatchObject({ code: 0 });
    await caller.sees('one');
    await caller.sees();
    expect(await beat('warn', '--note', 'slow disk')).toMatchObject({ code: 0 });
    await caller.sees('one');
    expect(caller.service.snapshot?.instances[0]?.status).toBe('warning');
    expect(await beat('fail', '--note', 'no disk')).toMatchObject({ code: 0 });
    await caller.sees();
    expect((await sidecar.status()).services[0]?.health.cause).toMatch(/no disk/);
    await sidecar.terminate();
    await caller.close();
  });
});

function never(): never {
  throw new Error('expected one service in the status');
}
