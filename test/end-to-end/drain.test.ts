/** Leaving without losing a request, with real processes and servers: whoever asks, and whatever is away. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../helpers/cli.js';
import { startServer } from '../servers/index.js';
import { freePort } from '../sidecar/support.js';
import { BACKENDS } from './backends.js';
import { Caller, eventually, PATIENCE, Sidecar, ToyService } from './world.js';

let names = 0;
let service: ToyService;
let sidecar: Sidecar | undefined;
let caller: Caller | undefined;

beforeEach(async () => {
  service = await ToyService.start();
});

afterEach(async () => {
  await sidecar?.kill();
  await caller?.close();
  await service.die();
  sidecar = undefined;
  caller = undefined;
});

async function listed(
  url: string,
  ...args: readonly string[]
): Promise<{ sidecar: Sidecar; caller: Caller }> {
  const name = `drain-${process.pid}-${++names}`;
  const own = ['--service', name, '--id', 'one', '--port', String(service.port), '--probe', 'http:/health'];
  sidecar = await Sidecar.start(url, [...own, ...args]);
  caller = await Caller.of(url, name);
  await caller.sees('one');
  const started = sidecar;
  await eventually('the sidecar has it confirmed', async () => (await started.get('/readyz')).status === 200);
  return { sidecar: started, caller };
}

/** What a caller sees of the one instance from now on, each status once. */
function statusesOf({ service }: Caller): string[] {
  const seen: string[] = [];
  service.onChange(({ snapshot }) => seen.push(snapshot.instances[0]?.status ?? 'gone'));
  return seen;
}

const messages = ({ log }: Sidecar): unknown[] => log.map(({ message }) => message);

describe.each(BACKENDS)('on $name', ({ url }) => {
  test('SIGTERM marks, deregisters, waits, and exits 0', async () => {
    const { sidecar, caller } = await listed(url(), '--drain-propagation', PATIENCE, '--drain-wait', '300ms');
    const seen = statusesOf(caller);
    const startedAt = performance.now();
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
    expect(performance.now() - startedAt).toBeGreaterThan(2_300);
    await caller.sees();
    expect(seen).toEqual(['draining', 'gone']);
    expect(messages(sidecar).slice(-5)).toEqual([
      'draining',
      'updated',
      'deregistered',
      'drained',
      'the registry connection changed',
    ]);
  });

  test('`pilotfish drain --wait` does the same while the sidecar goes on, and `undrain` takes it back', async () => {
    const { sidecar, caller } = await listed(url(), '--drain-propagation', PATIENCE);
    const seen = statusesOf(caller);
    const operate = (...args: readonly string[]) => runCli([...args, '--admin', sidecar.adminUrl]);
    expect(await operate('drain', '--wait')).toMatchObject({ code: 0 });
    await caller.sees();
    expect(seen).toEqual(['draining', 'gone']);
    expect((await sidecar.get('/metrics')).text).toMatch(/pilotfish_draining\{[^}]*\} 1/);
    expect(await operate('undrain')).toMatchObject({ code: 0 });
    await caller.sees('one');
    expect(caller.service.snapshot?.instances[0]?.status).toBe('passing');
  });

  test('the last endpoint that drains is still picked, and another one is preferred', async () => {
    const { sidecar, caller } = await listed(url(), '--drain-propagation', '60s');
    expect(await runCli(['drain', '--admin', sidecar.adminUrl])).toMatchObject({ code: 0 });
    await eventually('draining', () => caller.service.snapshot?.instances[0]?.status === 'draining');
    expect(caller.service.pick().instance.id).toBe('one');
    const name = caller.service.service;
    const args = [
      '--service',
      name,
      '--id',
      'two',
      '--port',
      String(service.port),
      '--probe',
      'http:/health',
    ];
    const other = await Sidecar.start(url(), args);
    await caller.sees('one', 'two');
    expect(new Set(Array.from({ length: 10 }, () => caller.service.pick().instance.id))).toEqual(
      new Set(['two']),
    );
    await other.terminate();
  });
});

describe('a drain', () => {
  const local = BACKENDS[0]?.url() as string;

  test('waits for the requests in flight that the service reports at a URL', async () => {
    let inFlight = 2;
    const metrics = createServer((_, response) => {
      response.end(`# TYPE jobs gauge\njobs{kind="a"} ${inFlight}\njobs{kind="b"} 0\njobs_total 99\n`);
    });
    await new Promise<void>((resolve) => metrics.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(metrics.address() as AddressInfo).port}/metrics`;
    const { sidecar } = await listed(local);
    await sidecar.kill();
    const name = `drain-${process.pid}-${++names}`;
    const config = {
      drainWait: '60s',
      services: [
        {
          ...{ name, id: 'one', port: service.port, probes: ['http:/health'] },
          inFlight: { url: address, metric: 'jobs' },
        },
      ],
    };
    const second = await Sidecar.startWith(local, config);
    const watching = await Caller.of(local, name);
    await watching.sees('one');
    const ended = second.terminate();
    await watching.sees();
    await eventually('it says what it waits for', async () => {
      const { services } = JSON.parse((await second.get('/v1/drain')).text);
      return services[0]?.inFlight === 2 && services[0]?.phase === 'finishing';
    });
    inFlight = 0;
    expect(await ended).toMatchObject({ code: 0 });
    await watching.close();
    await new Promise((resolve) => metrics.close(resolve));
  });

  test('waits for the requests in flight that heartbeats report', async () => {
    const name = `drain-${process.pid}-${++names}`;
    const args = ['--service', name, '--id', 'one', '--port', '9', '--probe', 'ttl:20s'];
    const started = await Sidecar.start(local, args);
    sidecar = started;
    const beat = (inFlight: number): Promise<Response> =>
      fetch(`${started.adminUrl}/v1/heartbeat/${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ status: 'pass', inFlight }),
      });
    caller = await Caller.of(local, name);
    await beat(3);
    await caller.sees('one');
    const ended = started.terminate();
    await caller.sees();
    await beat(1);
    await eventually('it waits for the last one', async () => {
      return JSON.parse((await started.get('/v1/drain')).text).services[0]?.inFlight === 1;
    });
    await beat(0);
    expect(await ended).toMatchObject({ code: 0 });
  });

  test('is over at once when the service is dead', async () => {
    const { sidecar, caller } = await listed(local, '--drain-wait', '60s');
    await service.die();
    await caller.sees();
    const startedAt = performance.now();
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  test('ends on the spot at a second SIGTERM', async () => {
    const { sidecar } = await listed(
      local,
      ...['--drain-propagation', '60s', '--drain-wait', '60s', '--drain-timeout', '180s'],
    );
    const ended = sidecar.terminate();
    await eventually('it drains', () => messages(sidecar).includes('draining'));
    sidecar.signal('SIGTERM');
    expect(await ended).toMatchObject({ code: 1 });
  });

  test('ends at its cap, whatever is left', async () => {
    const { sidecar } = await listed(local, '--drain-propagation', '60s', '--drain-timeout', '1s');
    const startedAt = performance.now();
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(sidecar.log.find(({ message }) => message === 'drained')?.level).toBe('error');
  });

  test('that a person waits for with `--wait` ends with 1 at its cap, and says so', async () => {
    const { sidecar } = await listed(local, '--drain-propagation', '60s', '--drain-timeout', '1s');
    const { code, stderr } = await runCli(['drain', '--wait', '--admin', sidecar.adminUrl]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/: its time was over before everything had its end\n$/);
  });

  test('that a person began leaves SIGTERM no more than its own time before the command is told', async () => {
    const [name, admin] = [`drain-${process.pid}-${++names}`, `127.0.0.1:${await freePort()}`];
    const own = ['--service', name, '--id', 'one', '--port', String(service.port), '--probe', 'http:/health'];
    const place = ['--registry', local, '--admin', admin, '--address', '127.0.0.1'];
    // The two minutes less what the command may take, which leaves two seconds.
    const times = ['--drain-wait', '110s', '--drain-timeout', '120s', '--stop-timeout', '118s'];
    const command = `process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000);`;
    const cli = startCli(['sidecar', ...own, ...place, ...times, '--', process.execPath, '-e', command]);
    try {
      caller = await Caller.of(local, name);
      await caller.sees('one');
      expect(await runCli(['drain', '--admin', admin])).toMatchObject({ code: 0 });
      await caller.sees();
      const startedAt = performance.now();
      cli.child.kill('SIGTERM');
      expect(await cli.ended).toMatchObject({ code: 7 });
      expect(performance.now() - startedAt).toBeLessThan(60_000);
    } finally {
      cli.child.kill('SIGTERM');
    }
  });

  test('of a sidecar that is still starting is no drain at all', async () => {
    service.mood = 'unwell';
    const name = `drain-${process.pid}-${++names}`;
    const args = [
      '--service',
      name,
      '--id',
      'one',
      '--port',
      String(service.port),
      '--probe',
      'http:/health',
    ];
    sidecar = await Sidecar.start(local, [...args, '--drain-wait', '60s']);
    expect(await sidecar.terminate()).toMatchObject({ code: 0 });
  });
});

describe.each(['zookeeper', 'consul'] as const)('while %s is away', (name) => {
  test('SIGTERM gives what is in flight its time and ends within the cap, with 1 and the reason', async () => {
    const server = await startServer(name);
    const { sidecar } = await listed(
      `${name}://${server.address}`,
      ...['--drain-wait', '500ms', '--drain-timeout', '3s'],
    );
    await server.kill();
    const startedAt = performance.now();
    const { code, stderr } = await sidecar.terminate();
    const elapsedMs = performance.now() - startedAt;
    expect({ code, log: sidecar.output, long: elapsedMs > 1_400, short: elapsedMs < 30_000 }).toMatchObject({
      code: 1,
      long: true,
      short: true,
    });
    expect(stderr).toMatch(/not confirmed as deregistered/);
    await server.stop();
  });
});
