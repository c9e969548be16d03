/** The commands against a real sidecar, over TCP and over a unix socket with a token. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../runtime/logger.js';
import { type Sidecar, startSidecar } from '../../sidecar/daemon.js';
import { eventually } from '../end-to-end/world.js';
import { load } from '../helpers/config.js';
import { run } from './terminal.js';

let directory: string;
let server: Server;
let port: number;
let sidecar: Sidecar;

const registry = (): string => `local:${join(directory, 'registry')}`;
const secretFile = (name: string): string => join(directory, name);

async function start(fields: object): Promise<Sidecar> {
  const { config } = await load({
    file: {
      registry: registry(),
      stateDir: join(directory, 'state'),
      interval: '50ms',
      fastInterval: '20ms',
      drainPropagation: '50ms',
      drainWait: '100ms',
      ...fields,
    },
  });
  return startSidecar(config, { logger: silentLogger });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pf-'));
  for (const name of ['admin', 'orders', 'billing']) {
    await writeFile(secretFile(name), `the-secret-of-${name}-here`, { mode: 0o600 });
  }
  server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  sidecar = await start({
    admin: `unix:${join(directory, 'admin.sock')}`,
    adminTokenFile: secretFile('admin'),
    services: [
      { name: 'web', id: 'w1', port, probes: ['http:/'] },
      { name: 'orders', id: 'o1', port, probes: ['ttl:30s'], heartbeatSecretFile: secretFile('orders') },
      { name: 'billing', id: 'b1', port, probes: ['ttl:30s'], heartbeatSecretFile: secretFile('billing') },
    ],
  });
});

afterAll(async () => {
  await sidecar.close();
  server.close();
  await rm(directory, { recursive: true });
});

const ask = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  run(args, {
    env: { PILOTFISH_ADMIN: sidecar.adminUrl, PILOTFISH_ADMIN_TOKEN_FILE: secretFile('admin'), ...env },
  });

describe('status', () => {
  test('of a service that is listed ends with 0 and says so', async () => {
    await eventually('web is registered', async () => (await ask(['status', 'web'])).code === 0);
    const { stdout } = await ask(['status', 'web']);
    expect(stdout).toMatch(
      /^local:.+ {2}connected {2}timeout 10s\n\nweb w1 \S+ passing\n {2}probe http:\/ is passing: /,
    );
    expect(stdout).toMatch(/^ {2} *✓+ {2}http:\/ {2}passing {2}\S+ ago {2}\S+ {2}\S/m);
    expect(stdout).toMatch(/^ {2}local:\S+ {2}connected {2}registered {2}confirmed \S+ ago$/m);
    expect(stdout).not.toContain('orders');
  });

  test('of one that is still starting ends with 1 and says why', async () => {
    const { code, stdout } = await ask(['status', 'orders']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}not ready: orders is starting: not enough checks have passed yet$/m);
  });

  test('as JSON is what the sidecar says', async () => {
    const { code, stdout } = await ask(['status', '--json']);
    expect(code).toBe(1);
    const { registries, services } = JSON.parse(stdout);
    expect(registries).toMatchObject([{ kind: 'local', state: 'connected' }]);
    expect(services.map(({ name }: { name: string }) => name)).toEqual(['web', 'orders', 'billing']);
  });

  test('of a service that nobody knows ends with 1', async () => {
    const { code, stderr } = await ask(['status', 'nothing']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'pilotfish: no service nothing in this sidecar\n' });
  });

  test('without the token ends with 1 and says what is missing', async () => {
    const { code, stderr } = await ask(['status'], { PILOTFISH_ADMIN_TOKEN_FILE: '' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/answered 401: .+ \(--admin-token-file names the file of the secret\)\n$/);
  });
});

describe('heartbeat', () => {
  test('with the secret of the service lists it', async () => {
    const args = ['heartbeat', 'orders', '--in-flight', '3', '--secret-file', secretFile('orders'), '--json'];
    const { code, stdout } = await ask(args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ service: 'orders', status: 'pass', inFlight: 3 });
    await eventually('orders is registered', async () => (await ask(['status', 'orders'])).code === 0);
  });

  test.each([
    ['the secret of another service', 'orders'],
    ['the admin token', 'admin'],
  ])('with %s is refused', async (_, name) => {
    const { code, stderr } = await ask(['heartbeat', 'billing', '--secret-file', secretFile(name)]);
    expect(code).toBe(1);
    expect(stderr).toContain('answered 401');
    expect((await ask(['status', 'billing'])).stdout).toContain('billing is starting');
  });
});

describe('an order', () => {
  const statusOf = async (): Promise<string> => (await ask(['status', 'web'])).stdout;

  test('of maintenance is in the registry, is shown, and ends when it is taken back', async () => {
    const on = await ask([
      'maintenance',
      'web',
      'on',
      '--reason',
      'new disk',
      '--who',
      'ann',
      '--for',
      '30m',
    ]);
    expect(on.code).toBe(0);
    expect(on.stdout).toMatch(/^web w1: maintenance: new disk, by ann, until \S+\n$/);
    const listed = async (): Promise<string> => (await run(['ls', 'web', '--registry', registry()])).stdout;
    await eventually('web is listed so', async () => /w1 .+ maintenance .+ new disk/.test(await listed()));
    expect(await statusOf()).toMatch(/^ {2}maintenance: new disk, by ann, until \S+ \(30m left\)$/m);
    const off = await ask(['maintenance', 'web', 'off']);
    expect(off).toMatchObject({ code: 0, stdout: 'web w1: no orders\n' });
    await eventually('web is listed as ever', async () => / passing /.test(await listed()));
  });

  test('to be up or of another weight is shown', async () => {
    expect((await ask(['force', 'web', 'up'])).stdout).toMatch(/^web w1: forced up: no reason given, by /);
    expect((await ask(['weight', 'web', '7', '--id', 'w1'])).stdout).toMatch(/; weight 7\n$/);
    await ask(['force', 'web', 'auto']);
    expect(await ask(['weight', 'web', 'default'])).toMatchObject({ code: 0, stdout: 'web w1: no orders\n' });
  });

  test('to drain is waited for, and taken back', async () => {
    const drained = await ask(['drain', 'web', '--wait']);
    expect(drained).toMatchObject({ code: 0, stderr: '' });
    expect(drained.stdout).toMatch(/^web w1: drained in \S+\n$/);
    expect(await statusOf()).toContain('  not registered');
    expect(await ask(['undrain', 'web'])).toMatchObject({ code: 0, stdout: 'web/w1: no longer drained\n' });
    await eventually('web is listed', async () => (await statusOf()).includes('  registered  '));
  });

  test('for nobody ends with 1', async () => {
    const { code, stderr } = await ask(['weight', 'nothing', '1']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/answered 404: expected one of: web \(w1\), .+, got "nothing", at service\n$/);
  });

  test('to reload without a configuration file ends with 1', async () => {
    const { code, stderr } = await ask(['reload']);
    expect(code).toBe(1);
    expect(stderr).toContain('answered 409');
  });
});

test('a second sidecar on the same socket does not start', async () => {
  const admin = sidecar.adminUrl;
  await expect(start({ admin, services: [{ name: 'web', id: 'w2', port }] })).rejects.toThrow(
    /got a running process at .+, at admin$/,
  );
});

test('a sidecar whose token others can read does not start', async () => {
  const adminTokenFile = secretFile('open');
  await writeFile(adminTokenFile, 'a-secret-that-is-no-secret', { mode: 0o644 });
  await expect(start({ adminTokenFile, services: [{ name: 'web', port }] })).rejects.toThrow(
    /mode 644 .+, at adminTokenFile$/,
  );
});
