/** A reload of a running sidecar: what changed is changed in place, what did not is left alone, what is wrong is refused. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../helpers/cli.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';
import { BACKENDS } from './backends.js';
import { Caller, eventually, PATIENCE, Sidecar, ToyService, writeConfig } from './world.js';

let names = 0;
let directory: string;
let file: string;
let prefix: string;
let toy: ToyService;
let sidecar: Sidecar;
let callers: Caller[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-reload-'));
  file = join(directory, 'sidecar.json');
  prefix = `reload-${process.pid}-${++names}`;
  toy = await ToyService.start();
  callers = [];
});

afterEach(async () => {
  await sidecar.kill();
  await Promise.all(callers.map((caller) => caller.close()));
  await toy.die();
  await rm(directory, { recursive: true, force: true });
});

const service = (name: string, more: object = {}): object => ({
  ...{ name: `${prefix}-${name}`, id: 'one', port: toy.port, probes: ['http:/health'] },
  ...more,
});

async function watching(url: string, name: string): Promise<{ caller: Caller; lists: string[] }> {
  const caller = await Caller.of(url, `${prefix}-${name}`);
  const lists: string[] = [];
  callers.push(caller);
  caller.service.onChange(({ snapshot }) => {
    lists.push(snapshot.instances.map(({ id, weight, status }) => `${id} ${weight} ${status}`).join());
  });
  return { caller, lists };
}

const reloads = (result: string): Promise<number> =>
  sidecar.get('/metrics').then(({ text }) => {
    return Number(
      new RegExp(`pilotfish_config_reloads_total\\{result="${result}"\\} (\\d+)`).exec(text)?.[1],
    );
  });

describe.each(BACKENDS)('on $name', ({ url }) => {
  test('SIGHUP adds, changes in place and drains away, and leaves the rest alone', async () => {
    const services = [service('same'), service('changed'), service('removed')];
    const drain = { drainPropagation: PATIENCE };
    sidecar = await Sidecar.startFrom(file, url(), { ...drain, services });
    const same = await watching(url(), 'same');
    const changed = await watching(url(), 'changed');
    const removed = await watching(url(), 'removed');
    const added = await watching(url(), 'added');
    await Promise.all([same, changed, removed].map(({ caller }) => caller.sees('one')));
    for (const { lists } of [same, changed, removed]) lists.length = 0;

    await writeConfig(file, url(), {
      ...drain,
      services: [service('same'), service('changed', { weight: 5 }), service('added')],
    });
    sidecar.signal('SIGHUP');
    await added.caller.sees('one');
    await removed.caller.sees();
    await eventually('changed', () => changed.lists.length > 0);
    expect(same.lists).toEqual([]);
    expect(changed.lists).toEqual(['one 5 passing']);
    expect(removed.lists).toEqual(['one 1 draining', '']);
    await eventually(
      'the removed one is gone from the status',
      async () => (await sidecar.status()).services.length === 3,
    );
  });

  test('other probes are taken over without the entry leaving the list', async () => {
    sidecar = await Sidecar.startFrom(file, url(), { services: [service('a')] });
    const { caller, lists } = await watching(url(), 'a');
    await caller.sees('one');
    lists.length = 0;
    await writeConfig(file, url(), {
      services: [service('a', { probes: ['tcp'], rise: 10, interval: '50ms' })],
    });
    sidecar.signal('SIGHUP');
    await eventually('the new probe has the say', async () => {
      return /result="passing"\} [1-9]/.test(
        (await sidecar.get('/metrics')).text
          .split('\n')
          .find((line) => /checks_total.*probe="tcp"/.test(line)) ?? '',
      );
    });
    await toy.die();
    await caller.sees();
    expect(lists).toEqual(['']);
  });
});

describe('a service that moves to another port', () => {
  const [{ url } = never()] = BACKENDS;
  let caller: Caller;
  let ports: string[];

  beforeEach(async () => {
    sidecar = await Sidecar.startFrom(file, url(), { services: [service('a')] });
    ({ caller } = await watching(url(), 'a'));
    await caller.sees('one');
    ports = [`${toy.port}`];
    caller.service.onChange(({ snapshot }) => {
      ports.push(snapshot.instances.map(({ endpoint }) => `${endpoint.port}`).join());
    });
  });

  const moveTo = async (port: number): Promise<void> => {
    await writeConfig(file, url(), { services: [service('a', { port, weight: 3, fall: 1000 })] });
    expect(await runCli(['reload', '--admin', sidecar.adminUrl])).toMatchObject({ code: 0 });
  };

  test('is listed there as soon as that answers, and not before', async () => {
    const next = await ToyService.start();
    next.mood = 'hanging';
    await moveTo(next.port);
    await eventually('three checks in vain', async () => {
      return /checks_total\{.*result="failing"\} [3-9]/.test((await sidecar.get('/metrics')).text);
    });
    expect(new Set(ports)).toEqual(new Set([`${toy.port}`]));
    expect(caller.service.pick().instance.weight).toBe(3);
    next.mood = 'well';
    await eventually('listed there', () => ports.at(-1) === `${next.port}`);
    expect(ports).not.toContain('');
    await next.die();
  });

  test('at which nobody listens is not listed at all', async () => {
    const gone = await ToyService.start();
    await gone.die();
    await moveTo(gone.port);
    await caller.sees();
    expect(ports).not.toContain(`${gone.port}`);
    await gone.listen();
    await eventually('listed there', () => ports.at(-1) === `${gone.port}`);
    await gone.die();
  });
});

describe('an unchanged service', () => {
  test('sees no registry write at all, as the server counts', async () => {
    const url = `zookeeper://${sharedServer('zookeeper')}/${prefix}`;
    const services = (weight: number): object[] => [service('same'), service('other', { weight })];
    sidecar = await Sidecar.startFrom(file, url, { services: services(1) });
    const { caller } = await watching(url, 'same');
    await caller.sees('one');
    const witness = await connectClient(sharedServer('zookeeper'));
    const path = `/${prefix}/${prefix}-same/one`;
    const before = await witness.zk.exists(path);
    for (const weight of [2, 3, 4]) {
      await writeConfig(file, url, { services: services(weight) });
      expect(await runCli(['reload', '--admin', sidecar.adminUrl])).toMatchObject({ code: 0 });
    }
    const other = await witness.zk.exists(`/${prefix}/${prefix}-other/one`);
    await eventually('the other one was written', async () => {
      return ((await witness.zk.exists(`/${prefix}/${prefix}-other/one`))?.version ?? 0) >= 1;
    });
    expect(other).toBeDefined();
    expect(await witness.zk.exists(path)).toEqual(before);
    await witness.zk.close();
  });
});

describe('a reload', () => {
  const [{ url } = never()] = BACKENDS;

  test.each([
    ['no JSON', '{"services": ['],
    ['an unknown key', JSON.stringify({ services: [{ name: 'x', port: 1, colour: 'red' }] })],
    ['no service', JSON.stringify({ services: [] })],
    ['a port that is none', JSON.stringify({ services: [{ name: 'x', port: 70_000 }] })],
    [
      'a registry that is none',
      JSON.stringify({ registry: 'redis://x', services: [{ name: 'x', port: 1 }] }),
    ],
    [
      'an address that is not there',
      JSON.stringify({ services: [{ name: 'x', port: 1, address: 'interface:nope0' }] }),
    ],
  ])('of a file with %s changes nothing, says why and is counted', async (_, text) => {
    sidecar = await Sidecar.startFrom(file, url(), { services: [service('a')] });
    const { caller, lists } = await watching(url(), 'a');
    await caller.sees('one');
    lists.length = 0;
    await writeFile(file, text);
    const { code, stderr } = await runCli(['reload', '--admin', sidecar.adminUrl]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/expected .+, got .+, at /);
    expect([await reloads('ok'), await reloads('error')]).toEqual([0, 1]);
    expect((await sidecar.status()).services).toHaveLength(1);
    expect(lists).toEqual([]);
  });

  test('that is asked for a hundred times at once runs a few times', async () => {
    sidecar = await Sidecar.startFrom(file, url(), { services: [service('a')] });
    const { caller } = await watching(url(), 'a');
    await caller.sees('one');
    await writeConfig(file, url(), { services: [service('a', { weight: 9 })] });
    const ask = () =>
      fetch(`${sidecar.adminUrl}/v1/reload`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
    const answers = await Promise.all(Array.from({ length: 50 }, ask));
    for (let i = 0; i < 50; i++) sidecar.signal('SIGHUP');
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await eventually('the change', () => caller.service.snapshot?.instances[0]?.weight === 9);
    expect(await reloads('ok')).toBeLessThan(60);
    expect(sidecar.log.filter(({ message }) => message === 'updated')).toHaveLength(1);
  });

  test('follows the file where that is asked for, also when another one is moved into its place', async () => {
    const config = (weight: number): object => ({
      reloadOnChange: true,
      services: [service('a', { weight })],
    });
    sidecar = await Sidecar.startFrom(file, url(), config(1));
    const { caller } = await watching(url(), 'a');
    await caller.sees('one');
    for (const [weight, isMoved] of [
      [2, false],
      [3, true],
    ] as const) {
      await writeConfig(isMoved ? `${file}.new` : file, url(), config(weight));
      if (isMoved) await rename(`${file}.new`, file);
      await eventually(`weight ${weight}`, () => caller.service.snapshot?.instances[0]?.weight === weight);
    }
  });

  test('says what takes effect at the next start only', async () => {
    sidecar = await Sidecar.startFrom(file, url(), { services: [service('a')] });
    await writeConfig(file, url(), { logLevel: 'debug', services: [service('a')] });
    const response = await fetch(`${sidecar.adminUrl}/v1/reload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    expect(await response.json()).toMatchObject({
      unchanged: [`${prefix}-a/one`],
      warnings: expect.arrayContaining(['logLevel has changed and takes effect at the next start only']),
    });
  });

  test('that takes a service back while it drains away leaves no gap', async () => {
    const all = { drainPropagation: '60s', services: [service('a'), service('b')] };
    sidecar = await Sidecar.startFrom(file, url(), all);
    const { caller, lists } = await watching(url(), 'b');
    await caller.sees('one');
    lists.length = 0;
    await writeConfig(file, url(), { ...all, services: [service('a')] });
    expect(await runCli(['reload', '--admin', sidecar.adminUrl])).toMatchObject({ code: 0 });
    await eventually('it drains', () => lists.at(-1) === 'one 1 draining');
    await writeConfig(file, url(), all);
    expect(await runCli(['reload', '--admin', sidecar.adminUrl])).toMatchObject({ code: 0 });
    await eventually('it is back', () => lists.at(-1) === 'one 1 passing');
    expect(lists).not.toContain('');
  });
});

function never(): never {
  throw new Error('expected a backend');
}
