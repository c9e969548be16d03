/** What operators order of a running sidecar, through the command line, as callers and `pilotfish ls` see it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { runCli } from '../helpers/cli.js';
import { BACKENDS } from './backends.js';
import { Caller, eventually, Sidecar, ToyService } from './world.js';

let names = 0;

describe.each(BACKENDS)('on $name', ({ url }) => {
  let directory: string;
  let file: string;
  let name: string;
  let service: ToyService;
  let sidecar: Sidecar;
  let caller: Caller;

  const config = () => ({
    stateDir: join(directory, 'state'),
    services: [
      {
        ...{ name, id: 'one', port: service.port, weight: 8 },
        probes: ['http:/health', { type: 'ttl', ttl: '1h', advisory: true }],
      },
    ],
  });
  const start = async (): Promise<void> => {
    sidecar = await Sidecar.startFrom(file, url(), config());
  };
  const operate = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli([...args, '--admin', sidecar.adminUrl]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  const entry = (): Instance | undefined => caller.service.snapshot?.instances[0];
  const becomes = (what: Partial<Instance>): Promise<void> =>
    eventually(JSON.stringify(what), () => {
      const found = entry();
      return (
        found !== undefined && Object.entries(what).every(([key, value]) => found[key as 'id'] === value)
      );
    });

  beforeEach(async () => {
    name = `operator-${process.pid}-${++names}`;
    directory = await mkdtemp(join(tmpdir(), 'pilotfish-operator-'));
    file = join(directory, 'sidecar.json');
    service = await ToyService.start();
    caller = await Caller.of(url(), name);
    await start();
    await caller.sees('one');
  });

  afterEach(async () => {
    await sidecar.kill();
    await caller.close();
    await service.die();
    await rm(directory, { recursive: true, force: true });
  });

  test('maintenance takes the traffic off, is shown to everybody, survives a restart, and ends', async () => {
    await operate('maintenance', name, 'on', '--reason', 'new disk', '--who', 'ada', '--for', '1h');
    await becomes({ status: 'maintenance' });
    expect(() => caller.service.pick()).toThrow(expect.objectContaining({ code: 'NO_ENDPOINTS' }));
    const { stdout } = await runCli(['ls', name, '--registry', url()]);
    expect(stdout).toMatch(/maintenance.*new disk, by ada, until/);
    expect(await operate('status')).toMatch(/maintenance.*new disk/);
    expect((await sidecar.get('/metrics')).text).toMatch(
      new RegExp(`pilotfish_maintenance_age_seconds\\{service="${name}",id="one"\\} \\d`),
    );
    await sidecar.kill();
    await start();
    await eventually('the new sidecar holds the entry', async () => {
      return (await sidecar.status()).services[0]?.registrations[0]?.registered === true;
    });
    await becomes({ status: 'maintenance' });
    await operate('maintenance', name, 'off');
    await becomes({ status: 'passing', note: undefined });
    expect(caller.service.pick().instance.id).toBe('one');
  });

  test('maintenance ends by itself when its time is over', async () => {
    await operate('maintenance', name, 'on', '--for', '2s');
    await eventually('it was set and has ended', () => {
      const updates = sidecar.log.filter(({ message }) => message === 'updated');
      return updates.at(-1)?.cause === 'the time of an order is over';
    });
    await becomes({ status: 'passing' });
  });

  test('forced down is gone whatever the probes say, and forced up is there', async () => {
    await operate('force', name, 'down', '--reason', 'bad build');
    await caller.sees();
    await operate('force', name, 'up');
    await caller.sees('one');
    service.mood = 'unwell';
    await eventually(
      'the probe fails',
      async () => (await sidecar.status()).services[0]?.health.state === 'failing',
    );
    expect(caller.ids()).toEqual(['one']);
    await operate('force', name, 'auto');
    await caller.sees();
  });

  test('a weight is changed in place, and 0 keeps new traffic off', async () => {
    const lists: number[] = [];
    caller.service.onChange(({ snapshot }) => lists.push(snapshot.instances.length));
    await operate('weight', name, '20');
    await becomes({ weight: 20 });
    await operate('weight', name, '0');
    await becomes({ weight: 0, status: 'passing' });
    await operate('weight', name, 'default');
    await becomes({ weight: 8 });
    expect(lists).not.toContain(0);
  });
});

describe('a warning', () => {
  test.each(BACKENDS)('lowers the weight instead of removing the entry, on $name', async ({ url }) => {
    const name = `operator-${process.pid}-${++names}`;
    const args = ['--service', name, '--id', 'one', '--port', '9', '--probe', 'ttl:1h', '--weight', '8'];
    const sidecar = await Sidecar.start(url(), [...args, '--warning-weight', '0.25']);
    const caller = await Caller.of(url(), name);
    const seen = (): string =>
      caller.service.snapshot?.instances.map((i) => `${i.status} ${i.weight}`).join() ?? '';
    await runCli(['heartbeat', name, '--admin', sidecar.adminUrl]);
    await eventually('passing', () => seen() === 'passing 8');
    await runCli(['heartbeat', name, 'warn', '--admin', sidecar.adminUrl]);
    await eventually('warning', () => seen() === 'warning 2');
    await sidecar.terminate();
    await caller.close();
  });
});

describe('an order', () => {
  test.each([
    [['maintenance', 'nobody', 'on'], /expected one of: .*, got "nobody", at service/],
    [['weight', 'orders', '70000'], /expected .*65535/],
    [['maintenance', 'orders', 'on', '--for', '30h0'], /duration/],
  ])('that cannot be carried out is refused with the reason: %j', async (args, reason) => {
    const [{ url } = never()] = BACKENDS;
    const sidecar = await Sidecar.start(url(), ['--service', 'orders', '--port', '9']);
    const { code, stderr } = await runCli([...args, '--admin', sidecar.adminUrl]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(reason);
    await sidecar.terminate();
  });
});

function never(): never {
  throw new Error('expected a backend');
}
