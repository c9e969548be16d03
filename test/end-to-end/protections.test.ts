/** Real sidecars that protect a registry and a fleet from flapping, from a mass failure of their own, and from a twin. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshService } from '../../registry/testing/index.js';
import { sharedServer } from '../servers/index.js';
import { eventually, Sidecar, ToyService } from './world.js';

let directory: string;
let name: string;
let services: ToyService[];
let sidecars: Sidecar[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-protections-'));
  name = freshService('protections');
  services = [];
  sidecars = [];
});

afterEach(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.kill()));
  await Promise.all(services.map((service) => service.die()));
  await rm(directory, { recursive: true, force: true });
});

async function toy(): Promise<ToyService> {
  const service = await ToyService.start();
  services.push(service);
  return service;
}

async function sidecar(registry: string, port: number, id = 'same'): Promise<Sidecar> {
  const args = ['--service', name, '--id', id, '--port', String(port), '--probe', 'http:/health'];
  const one = await Sidecar.start(registry, args);
  sidecars.push(one);
  return one;
}

async function metric(one: Sidecar, line: RegExp): Promise<number> {
  const { text } = await one.get('/metrics');
  return text
    .split('\n')
    .filter((each) => line.test(each))
    .reduce((sum, each) => sum + Number(each.slice(each.lastIndexOf(' ') + 1)), 0);
}

const writes = (one: Sidecar): Promise<number> =>
  metric(one, /^pilotfish_registry_operations_total\{.*operation="(register|update|deregister)"/);

const registration = async (one: Sidecar) => (await one.status()).services[0]?.registrations[0];

describe.each([
  ['local', () => `local:${join(directory, 'registry')}?ttl=2s`],
  ['zookeeper', () => `zookeeper://${sharedServer('zookeeper')}/protections?sessionTimeout=4s`],
  ['consul', () => `consul://${sharedServer('consul')}?ttl=2s`],
])('two sidecars with one id on %s', (_, url) => {
  test('take over once; then one says that there is a conflict, and neither writes', async () => {
    const { port } = await toy();
    const first = await sidecar(url(), port);
    await eventually('the first is registered', async () => (await registration(first))?.registered === true);
    const second = await sidecar(url(), port);
    await eventually(
      'the first sees the conflict',
      async () => (await registration(first))?.state === 'conflict',
    );
    const before = (await writes(first)) + (await writes(second));
    await delay(3_000);
    expect(before).toBe(2);
    expect((await writes(first)) + (await writes(second))).toBe(before);
    expect(await metric(first, /^pilotfish_registration_conflict/)).toBe(1);
    expect(await metric(second, /^pilotfish_registration_conflict/)).toBe(0);
    expect(first.log.filter(({ message }) => message === 'lost the registration')).toHaveLength(1);

    await second.terminate();
    await eventually('the first is back', async () => (await registration(first))?.registered === true);
    expect(await metric(first, /^pilotfish_registration_conflict/)).toBe(0);
  });
});

test('a service that flaps is held back at its fourth return, and written no more', async () => {
  const service = await toy();
  const one = await sidecar(`local:${join(directory, 'registry')}`, service.port);
  const state = async () => (await one.status()).services[0]?.health.state;
  const becomes = (wanted: string) => eventually(wanted, async () => (await state()) === wanted);
  await becomes('passing');
  for (let round = 0; round < 4; round++) {
    service.mood = 'unwell';
    await becomes('failing');
    service.mood = 'well';
    await becomes('passing');
  }
  await delay(500);
  expect(await registration(one)).toMatchObject({ desired: false, registered: false });
  expect(await metric(one, /^pilotfish_held\{.*reason="flapping"/)).toBe(1);
  expect(await writes(one)).toBeLessThanOrEqual(8);
  expect(one.log.filter(({ message }) => /^it goes up and down/.test(String(message)))).toHaveLength(1);
});

test('services that hang all at once, and answer again soon, are never deregistered', async () => {
  const both = [await toy(), await toy()];
  const config = join(directory, 'sidecar.yaml');
  const entries = both.map(({ port }) => ({
    name: `${name}-${port}`,
    port,
    fall: 5,
    probes: ['http:/health'],
  }));
  await writeFile(config, JSON.stringify({ services: entries }));
  const one = await Sidecar.start(`local:${join(directory, 'registry')}`, ['--config', config]);
  sidecars.push(one);
  const all = async (wanted: string) =>
    (await one.status()).services.every(({ health: { state } }) => state === wanted);
  await eventually('both pass', () => all('passing'));
  await eventually('both are registered', async () => (await writes(one)) === 2);
  for (const service of both) service.mood = 'hanging';
  await eventually('both fail', () => all('failing'));
  for (const service of both) service.mood = 'well';
  await eventually('both pass again', () => all('passing'));
  expect(await writes(one)).toBe(2);
  expect(await metric(one, /^pilotfish_holds_total\{.*reason="mass-failure"/)).toBe(2);
  expect(one.log.filter(({ level }) => level === 'error')).toHaveLength(2);
});
