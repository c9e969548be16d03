/** Reloads of a sidecar in this process: when they come too late, and what they reach. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { type Logger, silentLogger } from '../../runtime/logger.js';
import { systemRandom } from '../../runtime/random.js';
import { type Sidecar, startSidecar } from '../../sidecar/daemon.js';
import { Fleet } from '../../sidecar/fleet.js';
import type { LoopLag } from '../../sidecar/loop-lag.js';
import { SidecarMetrics } from '../../sidecar/metrics.js';
import { planServices } from '../../sidecar/plan.js';
import type { ReloadResult } from '../../sidecar/reload.js';
import type { ServiceStatus } from '../../sidecar/service.js';
import { load } from '../helpers/config.js';
import { serve, type TestServer, track, until } from './support.js';

let directory: string;
let server: TestServer;
let sidecar: Sidecar;
let lines: string[];
/** What the configuration file says now; reading it waits for `gate`. */
let file: object;
let gate: Promise<void>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-reload-'));
  server = await serve(() => {});
  lines = [];
  gate = Promise.resolve();
});

afterEach(async () => {
  await sidecar.close();
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

function configure(names: readonly string[], more: object = {}): void {
  file = {
    ...{ registry: `local:${join(directory, 'registry')}`, admin: '127.0.0.1:0', address: '127.0.0.1' },
    ...{ stateDir: join(directory, 'state'), drainPropagation: '0s', drainWait: '0s' },
    services: names.map((name) => ({ name, id: 'one', port: server.port, rise: 1, interval: '100ms' })),
    ...more,
  };
}

async function start(names: readonly string[], more: object = {}, isThere = isRegistered): Promise<void> {
  configure(names, more);
  const { config } = await load({ file });
  const add = (_: object, message: string): void => void lines.push(message);
  const logger: Logger = { debug: add, info: add, warn: add, error: add };
  sidecar = await startSidecar(config, { logger, load: () => gate.then(() => load({ file })) });
  await until(() => services().every(isThere), 'all as they are to be at the start');
}

function services(): readonly ServiceStatus[] {
  return (sidecar.status() as { readonly services: readonly ServiceStatus[] }).services;
}

function isRegistered({ registrations }: ServiceStatus): boolean {
  return registrations.every(({ registered }) => registered);
}

function isFailing({ health }: ServiceStatus): boolean {
  return health.state === 'failing';
}

function reload(): Promise<ReloadResult> {
  if (sidecar.reload === undefined) throw new Error('expected a sidecar that can reload');
  return sidecar.reload();
}

function metrics(): Promise<string> {
  return fetch(`${sidecar.adminUrl}/metrics`).then((answer) => answer.text());
}

const REFUSAL = 'the sidecar is on its way out and does not reload any more';

describe('a sidecar that is on its way out', () => {
  test('refuses a reload while it drains, with 503, and starts nothing more', async () => {
    await start(['orders'], { drainPropagation: '10m', drainTimeout: '20m' });
    void sidecar.drain('the sidecar got SIGTERM');
    configure(['orders', 'added']);
    expect(await reload()).toEqual({ refused: REFUSAL });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${sidecar.adminUrl}/v1/reload`, { method: 'POST', headers });
    expect([answer.status, await answer.json()]).toEqual([503, { error: REFUSAL }]);
    expect(services().map(({ name, drain }) => [name, drain !== undefined])).toEqual([['orders', true]]);
    expect(lines.filter((line) => line === REFUSAL)).toHaveLength(1);
  });

  test('does not take back a drain of what was removed before', async () => {
    const slow = { drainPropagation: '10m', drainTimeout: '20m' };
    await start(['orders', 'removed'], slow);
    configure(['orders'], slow);
    expect(await reload()).toMatchObject({ removed: ['removed/one'] });
    void sidecar.drain('the sidecar got SIGTERM');
    configure(['orders', 'removed'], slow);
    expect(await reload()).toEqual({ refused: REFUSAL });
    expect(services().map(({ drain }) => drain !== undefined)).toEqual([true, true]);
  });

  test('refuses a reload that had begun and was not applied yet, and counts it as no failure', async () => {
    await start(['orders']);
    let open = (): void => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    configure(['orders', 'added']);
    const reloading = reload();
    await sidecar.drain('the sidecar got SIGTERM');
    open();
    expect(await reloading).toEqual({ refused: REFUSAL });
    expect(services().map(({ name }) => name)).toEqual(['orders']);
    expect(await metrics()).toContain('pilotfish_config_reloads_total{result="error"} 0');
  });

  test('refuses a reload while it closes, as after a crash of the command', async () => {
    await start(['orders']);
    const closing = sidecar.close();
    configure(['orders', 'added']);
    expect(await reload()).toEqual({ refused: REFUSAL });
    await closing;
    expect(sidecar.config.services).toHaveLength(1);
  });

  test('drains what a reload was adding when the drain began', async () => {
    await start(['orders']);
    const clock = systemClock;
    const lag = { maxSince: () => 0, stalledSince: () => 0 } as unknown as LoopLag;
    const metrics = new SidecarMetrics({ clock, lag });
    const context = { clock, lag, metrics, random: systemRandom(), logger: silentLogger };
    const fleet = new Fleet(context);
    const plans = await planServices(sidecar.config, context);
    const applying = fleet.apply({ ...sidecar.config, services: plans, registries: [] });
    await fleet.drain('the sidecar got SIGTERM', sidecar.config.drain);
    expect(fleet.services.map(({ isDraining }) => isDraining)).toEqual([true]);
    await applying;
    await fleet.close();
  });
});

describe('a reload', () => {
  test('that removes a registry ends its series, which would tell of a lost connection for ever', async () => {
    const ofTheOldOne = /^pilotfish_(registry_state|registered|registration_conflict)\{.*\/registry"/m;
    await start(['orders']);
    expect(await metrics()).toMatch(ofTheOldOne);
    configure(['orders'], { registry: `local:${join(directory, 'other')}` });
    await reload();
    await expect.poll(metrics, { timeout: 20_000 }).not.toMatch(ofTheOldOne);
    expect(await metrics()).toMatch(/^pilotfish_registry_state\{.*\/other",state="connected"\} 1$/m);
  });

  test('sees that the authorities of a probe were replaced in the file of the same name', async () => {
    const fixture = (name: string) => readFile(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');
    const [cert, key] = await Promise.all([fixture('cert.pem'), fixture('key.pem')]);
    const https = await track(createServer({ cert, key }, (_, response) => response.end('ok')));
    const ca = join(directory, 'ca.pem');
    const probe = { type: 'http', path: '/', tls: { ca, serverName: 'localhost' } };
    const orders = { name: 'orders', id: 'one', port: https.port, rise: 1, interval: '100ms' };
    await writeFile(ca, rootCertificates[0] as string);
    await start([], { services: [{ ...orders, probes: [probe] }] }, isFailing);
    await writeFile(ca, cert);
    expect(await reload()).toMatchObject({ changed: ['orders/one'] });
    await until(() => services().every(isRegistered), 'registered');
    expect(await reload()).toMatchObject({ unchanged: ['orders/one'] });
    await https.close();
  });

  test('switches the protection against a mass failure off for services that are as before too', async () => {
    let isHanging = false;
    const answer = (response: ServerResponse): unknown => isHanging || response.end('ok');
    const servers = await Promise.all([0, 1].map(() => track(createHttp((_, response) => answer(response)))));
    const both = servers.map(({ port }, i) => ({
      ...{ name: `orders-${i}`, id: 'one', port, probes: ['http:/'] },
      ...{ rise: 1, fall: 1, interval: '100ms', timeout: '2s' },
    }));
    await start([], { services: both });
    configure([], { services: both, protectMassFailure: false, fleetSize: 7 });
    expect(await reload()).toMatchObject({
      unchanged: ['orders-0/one', 'orders-1/one'],
      warnings: expect.arrayContaining(['fleetSize has changed and takes effect at the next start only']),
    });
    isHanging = true;
    await until(() => !services().some(isRegistered), 'both are gone');
    expect(lines.filter((line) => line.startsWith('every service of this sidecar fell silent'))).toEqual([]);
    await Promise.all(servers.map((each) => each.close()));
  });
});
