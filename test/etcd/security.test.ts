import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openWritable } from '../../registry/open.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { Watching } from '../../registry/testing/watching.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import type { RunningServer } from '../servers/index.js';
import { startServer } from '../servers/index.js';
import { startTlsEtcd } from './cluster.js';
import { etcdPost, toBase64 } from './support.js';

const PASSWORD = 'canary-71d3';

/** Everything that was logged or thrown in this file, which must not hold the password. */
const said: string[] = [];
const note = (fields: object, message: string): void =>
  void said.push(`${JSON.stringify(fields)} ${message}`);
const logger: Logger = { debug: note, info: note, warn: note, error: note };

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/zookeeper/${name}.pem`, import.meta.url));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-etcd-security-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function secretFile(name: string, text: string, mode = 0o600): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `${text}\n`);
  await chmod(file, mode);
  return file;
}

/** What became of a registration under that URL: `ok`, or the message. */
async function registering(url: string, service = freshService('secure')): Promise<string> {
  const registry = await openWritable(url, { logger });
  const result = await registry.register(instanceOf({ service })).then(() => 'ok', messageOf);
  said.push(result, registry.state);
  await registry.close();
  return result;
}

describe('user and password', () => {
  let server: RunningServer;
  const url = (file: string, prefix = 'guarded', { address } = server): string =>
    `etcd://${address}/${prefix}?ttl=20s&authFile=${file}&allowInsecureAuth=true`;

  /** All but that they are asked for. */
  async function addUsers({ address }: RunningServer): Promise<void> {
    const post = (path: string, body: object): Promise<unknown> => etcdPost(address, path, body);
    for (const [name, password] of [
      ['root', 'root'],
      ['pilot', PASSWORD],
    ]) {
      await post('auth/user/add', { name, password });
    }
    await post('auth/role/add', { name: 'pilots' });
    const perm = { permType: 'READWRITE', key: toBase64('guarded/'), range_end: toBase64('guarded0') };
    await post('auth/role/grant', { name: 'pilots', perm });
    await post('auth/user/grant', { user: 'pilot', role: 'pilots' });
    await post('auth/role/add', { name: 'root' });
    await post('auth/user/grant', { user: 'root', role: 'root' });
  }

  beforeAll(async () => {
    server = await startServer('etcd');
    await addUsers(server);
    await etcdPost(server.address, 'auth/enable', {});
  });

  afterAll(() => server.stop());

  test('register, watch and outlive their token, which ends with the memory of the member', async () => {
    const registry = await openWritable(url(await secretFile('right', `pilot:${PASSWORD}`)), { logger });
    const service = freshService('secure');
    const registration = await registry.register(instanceOf({ service }));
    const watching = new Watching(registry, service);
    await watching.until('the instance', ({ instances }) => instances.length === 1);
    await server.restart();
    await vi.waitFor(async () => expect(await registration.confirm()).toBe('present'), 10_000);
    await registration.update({ ...registration.instance, weight: 7 });
    await watching.until('the new weight', ({ instances }) => instances[0]?.weight === 7);
    await watching.close();
    await registry.close();
  });

  test('are refused when wrong, missing, or for another prefix', async () => {
    const right = await secretFile('right', `pilot:${PASSWORD}`);
    const wrong = await secretFile('wrong', 'pilot:other');
    expect(await registering(url(wrong))).toContain('invalid user ID or password');
    expect(await registering(url(right, 'elsewhere'))).toContain('permission denied');
    expect(await registering(`etcd://${server.address}/guarded?ttl=2s`)).toContain('user name is empty');
    const registry = await openWritable(url(wrong), { logger });
    await expect(registry.ping()).rejects.toMatchObject({ code: 'DENIED' });
    expect(registry.state).toBe('denied');
    await registry.close();
    expect(await registering(url(right))).toBe('ok');
  });

  test.each<[string, string, number, string]>([
    ['others can read', `pilot:${PASSWORD}`, 0o644, 'mode 600 or 400'],
    ['is no user and password', PASSWORD, 0o600, 'expected user:password on one line'],
  ])('are not taken from a file that %s', async (_name, text, mode, expected) => {
    expect(await registering(url(await secretFile('bad', text, mode)))).toContain(expected);
  });

  test('where the cluster wants none are left out', async () => {
    await using open = await startServer('etcd');
    const file = await secretFile('right', `pilot:${PASSWORD}`);
    expect(await registering(`etcd://${open.address}/x?ttl=2s&authFile=${file}&allowInsecureAuth=true`)).toBe(
      'ok',
    );
  });

  test('are used from the moment that the cluster wants them', async () => {
    await using open = await startServer('etcd');
    await addUsers(open);
    const file = await secretFile('right', `pilot:${PASSWORD}`);
    const registry = await openWritable(url(file, 'guarded', open), { logger });
    const service = freshService('secure');
    const registration = await registry.register(instanceOf({ service }));
    const watching = new Watching(registry, service);
    await watching.until('the instance', ({ instances }) => instances.length === 1);
    await etcdPost(open.address, 'auth/enable', {});
    expect(await registration.confirm()).toBe('present');
    await registration.update({ ...registration.instance, weight: 7 });
    await watching.until('the new weight', ({ instances }) => instances[0]?.weight === 7);
    expect(registry.state).toBe('connected');
    await watching.close();
    await registry.close();
  });
});

test('TLS verifies both sides, and says what was wrong', async () => {
  const { server, tlsAddress } = await startTlsEtcd({
    server: fixture('server'),
    authority: fixture('authority'),
  });
  await using _server = server;
  const url = (ca: string, client?: string, name = ''): string =>
    `etcd://${tlsAddress}/tls?ttl=2s&tls=true&ca=${fixture(ca)}` +
    (client === undefined ? '' : `&cert=${fixture(client)}&key=${fixture(client)}`) +
    (name === '' ? '' : `&serverName=${name}`);
  expect(await registering(url('authority', 'client-one'))).toBe('ok');
  expect(await registering(url('authority', 'client-one', 'localhost'))).toBe('ok');
  expect(await registering(url('stranger', 'client-one'))).toMatch(/unable to (verify|get)|self.signed/);
  expect(await registering(url('authority', 'client-one', 'elsewhere.example'))).toMatch(
    /elsewhere\.example/,
  );
  expect(await registering(url('authority'))).toMatch(
    /certificate required|alert|ECONNRESET|other side closed|failed/i,
  );
  expect(await registering(url('authority', 'nowhere'))).toMatch(/ENOENT/);
});

test('the password is in nothing that was logged or thrown', () => {
  expect(said.length).toBeGreaterThan(5);
  expect(said.join('\n')).not.toContain(PASSWORD);
});
