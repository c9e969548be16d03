/** Real sidecars that protect a registry and a fleet from flapping, from a mass failure of their own, and from a twin. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { freshService } from '../../registry/testing/index.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { sharedServer } from '../servers/index.js';
import { eventually, PATIENCE, Sidecar, ToyService } from './world.js';

/** Longer than a sidecar stands still on a busy machine. */
const TTL = '4s';

/** Services, and the sidecars beside them, of one test. */
class World {
  readonly name = freshService('protections');
  readonly #closers = new CloseStack();
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.#closers.defer(() => rm(directory, { recursive: true, force: true }));
  }

  static async make(): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), 'pilotfish-protections-')));
  }

  get registry(): string {
    return `local:${join(this.directory, 'registry')}?ttl=${TTL}`;
  }

  async toy(): Promise<ToyService> {
    const service = await ToyService.start();
    this.#closers.defer(() => service.die());
    return service;
  }

  async sidecar(registry: string, ...args: readonly string[]): Promise<Sidecar> {
    const sidecar = await Sidecar.start(registry, args);
    this.#closers.defer(() => sidecar.kill());
    return sidecar;
  }

  beside(registry: string, { port }: ToyService): Promise<Sidecar> {
    const self = ['--service', this.name, '--id', 'same', '--port', `${port}`, '--probe', 'http:/health'];
    return this.sidecar(registry, ...self);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closers.close();
  }
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

describe.concurrent.each([
  ['local', ({ registry }: World) => registry],
  ['zookeeper', () => `zookeeper://${sharedServer('zookeeper')}/protections?sessionTimeout=${TTL}`],
  ['consul', () => `consul://${sharedServer('consul')}?ttl=${TTL}`],
])('two sidecars with one id on %s', (_, urlIn) => {
  test('take over once; then one says that there is a conflict, and neither writes', async () => {
    await using world = await World.make();
    const [url, service] = [urlIn(world), await world.toy()];
    const first = await world.beside(url, service);
    await eventually('the first is registered', async () => (await registration(first))?.registered === true);
    const second = await world.beside(url, service);
    await eventually(
      'the first sees the conflict',
      async () => (await registration(first))?.state === 'conflict',
    );
    const written = async () => (await writes(first)) + (await writes(second));
    await eventually('both have written', async () => (await written()) === 2);
    await delay(3_000);
    expect(await written()).toBe(2);
    expect(await metric(first, /^pilotfish_registration_conflict/)).toBe(1);
    expect(await metric(second, /^pilotfish_registration_conflict/)).toBe(0);
    expect(first.log.filter(({ message }) => message === 'lost the registration')).toHaveLength(1);

    await second.terminate();
    await eventually('the first is back', async () => (await registration(first))?.registered === true);
    expect(await metric(first, /^pilotfish_registration_conflict/)).toBe(0);
  });
});

test.concurrent('a service that flaps is held back at its fourth return, and written no more', async () => {
  await using world = await World.make();
  const service = await world.toy();
  const one = await world.beside(world.registry, service);
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

test.concurrent('services that hang all at once, and answer again soon, are never deregistered', async () => {
  await using world = await World.make();
  const both = [await world.toy(), await world.toy()];
  const config = join(world.directory, 'sidecar.yaml');
  const entries = both.map(({ port }) => ({
    name: `${world.name}-${port}`,
    port,
    fall: 5,
    probes: ['http:/health'],
  }));
  await writeFile(config, JSON.stringify({ services: entries }));
  const one = await world.sidecar(world.registry, '--config', config, '--timeout', PATIENCE);
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
