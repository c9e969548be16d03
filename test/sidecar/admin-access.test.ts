/** Who may ask the admin server: by token, by the service's own secret, over a unix socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { ListenAddress } from '../../runtime/listen-address.js';
import { formatListenAddress, parseListenAddress } from '../../runtime/listen-address.js';
import { type Admin, startAdmin } from '../../sidecar/admin.js';
import { type AdminCall, askAdmin } from '../../sidecar/admin-request.js';
import { json } from '../../sidecar/admin-route.js';
import { standardRoutes } from '../../sidecar/admin-routes.js';
import { bears, readBearerSecret } from '../../sidecar/bearer.js';
import { printYaml } from '../../sidecar/config/print.js';
import { load } from '../helpers/config.js';

const TOKEN = 'the-admin-token-of-this-test';
const ORDERS = 'the-secret-of-the-orders-service';
const BILLING = 'the-secret-of-the-billing-service';
const SECRETS: Readonly<Record<string, string>> = { orders: ORDERS, billing: BILLING };
const LOOPBACK = { host: '127.0.0.1', port: 0 };

const open: Admin[] = [];
const beats: string[] = [];
let directory: string;

beforeEach(async () => {
  beats.length = 0;
  directory = await mkdtemp(join(tmpdir(), 'pf-'));
});

afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
  await rm(directory, { recursive: true });
});

async function start(address: ListenAddress, token?: string): Promise<Admin> {
  const admin = await startAdmin({
    address,
    token,
    routes: [
      ...standardRoutes({
        clock: systemClock,
        metrics: async () => ({ type: 'text/plain', text: '' }),
        unreadyReasons: () => [],
        status: () => ({}),
        heartbeatSecret: (service) => SECRETS[service],
        beat: (service) => beats.push(service) > 0,
      }),
      { method: 'POST', path: '/v1/reload', handle: () => json(200, {}) },
    ],
  });
  open.push(admin);
  return admin;
}

async function statusOf(url: string, token: string | undefined, call: AdminCall): Promise<number> {
  return (await askAdmin({ url, token }, call, new AbortController().signal)).status;
}

const get = (path: string): AdminCall => ({ method: 'GET', path });
const beat = (service: string): AdminCall => ({ method: 'PUT', path: `/v1/heartbeat/${service}` });
const reload: AdminCall = { method: 'POST', path: '/v1/reload', body: {} };

describe('with a token', () => {
  test.each<[AdminCall]>([
    [get('/metrics')],
    [get('/readyz')],
    [get('/v1/status')],
    [reload],
    [beat('batch')],
  ])('%j needs it', async (call) => {
    const { url } = await start(LOOPBACK, TOKEN);
    expect(await statusOf(url, undefined, call)).toBe(401);
    expect(await statusOf(url, `${TOKEN}x`, call)).toBe(401);
    expect(await statusOf(url, TOKEN, call)).toBeLessThan(300);
  });

  test('without it nobody learns which paths there are', async () => {
    const { url } = await start(LOOPBACK, TOKEN);
    expect(await statusOf(url, undefined, get('/nothing'))).toBe(401);
    expect(await statusOf(url, undefined, get('/v1/reload'))).toBe(401);
    expect(await statusOf(url, TOKEN, get('/nothing'))).toBe(404);
    expect(await statusOf(url, TOKEN, get('/v1/reload'))).toBe(405);
  });

  test('that it runs is open to all', async () => {
    const { url } = await start(LOOPBACK, TOKEN);
    expect(await statusOf(url, undefined, get('/healthz'))).toBe(200);
  });

  test('other hosts may call this one as they like, but not without it', async () => {
    const { url } = await start({ host: '0.0.0.0', port: 0 }, TOKEN);
    const { port } = new URL(url);
    const asked = { port, path: '/v1/status', agent: false } as const;
    for (const [authorization, status] of [
      [`Bearer ${TOKEN}`, 200],
      ['', 401],
    ] as const) {
      const headers = { host: 'sidecar-1.internal', authorization };
      const [response] = await once(request({ ...asked, headers }).end(), 'response');
      expect(response.resume().statusCode).toBe(status);
    }
  });

  test('on loopback a name that is not its own is refused even with it', async () => {
    const { url } = await start(LOOPBACK, TOKEN);
    const headers = { host: 'sidecar-1.internal', authorization: `Bearer ${TOKEN}` };
    const [response] = await once(request(`${url}/v1/status`, { headers, agent: false }).end(), 'response');
    expect(response.resume().statusCode).toBe(403);
  });

  test('a web page has no access even with it', async () => {
    const { url } = await start(LOOPBACK, TOKEN);
    const headers = { origin: 'http://127.0.0.1', authorization: `Bearer ${TOKEN}` };
    const [response] = await once(request(`${url}/v1/status`, { headers, agent: false }).end(), 'response');
    expect(response.resume().statusCode).toBe(403);
  });
});

describe('a service with a secret', () => {
  test.each([undefined, TOKEN])('beats with it alone, the admin token being %s', async (token) => {
    const { url } = await start(LOOPBACK, token);
    expect(await statusOf(url, ORDERS, beat('orders'))).toBe(204);
    expect(beats).toEqual(['orders']);
  });

  test.each([
    ['nothing', undefined],
    ['the admin token', TOKEN],
    ['the secret of another service', BILLING],
    ['a part of it', ORDERS.slice(0, -1)],
  ])('does not beat with %s', async (_, given) => {
    const { url } = await start(LOOPBACK, TOKEN);
    expect(await statusOf(url, given, beat('orders'))).toBe(401);
    expect(beats).toEqual([]);
  });

  test('reads nothing with it', async () => {
    const { url } = await start(LOOPBACK, TOKEN);
    expect(await statusOf(url, ORDERS, get('/v1/status'))).toBe(401);
  });
});

describe('a secret', () => {
  test.each([
    [`Bearer ${TOKEN}`, true],
    [`bearer  ${TOKEN} `, true],
    [`Bearer ${TOKEN}x`, false],
    [`Bearer x${TOKEN}`, false],
    [`Basic ${TOKEN}`, false],
    [TOKEN, false],
    ['Bearer ', false],
    ['', false],
    [undefined, false],
  ])('in %j is the right one: %s', (authorization, isRight) => {
    expect(bears(authorization, TOKEN)).toBe(isRight);
  });

  test.each([
    ['too short', 'short', /a secret of 16 or more printable characters, got none in .+, at adminTokenFile/],
    ['of several words', 'one two three four five', /printable characters/],
    ['empty', '', /printable characters/],
  ])('that is %s is refused', async (_, text, problem) => {
    const file = join(directory, 'token');
    await writeFile(file, text, { mode: 0o600 });
    await expect(readBearerSecret(file, 'adminTokenFile')).rejects.toThrow(problem);
  });

  test('that others can read is refused', async () => {
    const file = join(directory, 'token');
    await writeFile(file, TOKEN);
    await chmod(file, 0o604);
    await expect(readBearerSecret(file, 'adminTokenFile')).rejects.toThrow(/mode 604/);
  });
});

describe('over a unix socket', () => {
  const path = (): string => join(directory, 'admin.sock');

  test('it answers, by whatever name it is asked', async () => {
    const { url } = await start({ socketPath: path() });
    expect(url).toBe(`unix:${path()}`);
    expect(await statusOf(url, undefined, get('/v1/status'))).toBe(200);
    const headers = { host: 'evil.example' };
    const [response] = await once(
      request({ socketPath: path(), path: '/healthz', headers }).end(),
      'response',
    );
    expect(response.resume().statusCode).toBe(200);
  });

  test('a foreign Origin is refused all the same', async () => {
    await start({ socketPath: path() });
    const headers = { origin: 'http://evil.example' };
    const [response] = await once(
      request({ socketPath: path(), path: '/healthz', headers }).end(),
      'response',
    );
    expect(response.resume().statusCode).toBe(403);
  });

  test('a token is asked for where there is one', async () => {
    const { url } = await start({ socketPath: path() }, TOKEN);
    expect(await statusOf(url, undefined, reload)).toBe(401);
    expect(await statusOf(url, TOKEN, reload)).toBe(200);
  });

  test('only owner and group may connect, and nothing else is left beside it', async () => {
    await start({ socketPath: path() });
    expect(((await lstat(path())).mode & 0o777).toString(8)).toBe('660');
    expect(await readdir(directory)).toEqual(['admin.sock']);
  });

  test('it is gone after the close', async () => {
    const admin = await start({ socketPath: path() });
    await admin.close();
    expect(await readdir(directory)).toEqual([]);
  });

  test('one that a killed process left is replaced', async () => {
    const code = `require('node:net').createServer().listen(process.argv[1], () => console.log('listening'))`;
    const child = spawn(process.execPath, ['-e', code, path()], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await lstat(path())).isSocket()).toBe(true);
    const { url } = await start({ socketPath: path() });
    expect(await statusOf(url, undefined, get('/healthz'))).toBe(200);
  });

  test('one that is in use is left alone', async () => {
    const { url } = await start({ socketPath: path() });
    await expect(start({ socketPath: path() })).rejects.toThrow(
      `expected a path at which nothing is, or a socket on which nobody listens, got a running process at ${path()}, at admin`,
    );
    expect(await statusOf(url, undefined, get('/healthz'))).toBe(200);
    expect(await readdir(directory)).toEqual(['admin.sock']);
  });

  test('a file that is no socket is left alone', async () => {
    await writeFile(path(), 'precious');
    await expect(start({ socketPath: path() })).rejects.toThrow(/got something else at .+, at admin$/);
    expect((await lstat(path())).isFile()).toBe(true);
  });

  test('a directory that is not there is the system’s error', async () => {
    await expect(start({ socketPath: join(directory, 'no/admin.sock') })).rejects.toThrow(/ENOENT/);
  });

  test('what another sidecar has put in its place is not removed', async () => {
    const first = await start({ socketPath: path() });
    await rm(path());
    const second = await start({ socketPath: path() });
    await first.close();
    expect(await statusOf(second.url, undefined, get('/healthz'))).toBe(200);
  });
});

describe('in the configuration', () => {
  const services = [{ name: 'orders', port: 8080, heartbeatSecretFile: '/run/secrets/orders' }];

  test.each([
    ['0.0.0.0:9190', '/run/secrets/admin'],
    ['unix:/run/pilotfish/admin.sock', undefined],
    ['127.0.0.1:9190', '/run/secrets/admin'],
  ])(
    'admin %s with the token %s is right, and printed as it can be read again',
    async (admin, adminTokenFile) => {
      const { config } = await load({ file: { admin, ...(adminTokenFile && { adminTokenFile }), services } });
      expect(formatListenAddress(config.admin)).toBe(admin);
      expect(config).toMatchObject({ adminTokenFile, services: [services[0]] });
      expect((await load({ file: printYaml(config) })).config).toEqual(config);
    },
  );
});

describe('where to listen', () => {
  test.each(['127.0.0.1:9190', '[::1]:0', 'localhost:80', 'unix:/run/pilotfish/admin.sock'])('%s', (text) => {
    expect(formatListenAddress(parseListenAddress(text) as ListenAddress)).toBe(text);
  });

  test.each([
    '9190',
    '127.0.0.1',
    'unix:',
    'unix:run/a.sock',
    'unix:/',
    'unix:/run/',
    `unix:/${'x'.repeat(90)}`,
  ])('not %s', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
