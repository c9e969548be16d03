/** The commands as real processes: a sidecar keeps a real service listed, the others look on. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCli, runCli, startCli } from '../helpers/cli.js';

let directory: string;
let registry: string;
let server: Server;
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-cli-'));
  registry = `local:${join(directory, 'registry')}`;
  server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

const read = (...args: readonly string[]) => runCli(args, { env: { PILOTFISH_REGISTRY: registry } });

interface RunningSidecar extends RunningCli {
  readonly admin: string;
}

/** Up to the moment at which its admin server listens. */
async function startSidecar(service: string, ...args: readonly string[]): Promise<RunningSidecar> {
  const timing = ['--interval', '50ms', '--timeout', '60s', '--rise', '1', '--fall', '1'];
  const drain = ['--drain-propagation', '2s', '--drain-wait', '0s'];
  const own = ['--registry', registry, '--service', service, '--port', `${port}`, '--admin', '127.0.0.1:0'];
  const cli = startCli(['sidecar', ...own, ...timing, ...drain, ...args]);
  await cli.until((stdout) => /http:\/\/127\.0\.0\.1:\d+/.test(stdout));
  const [admin = ''] = /http:\/\/127\.0\.0\.1:\d+/.exec(cli.stdout()) ?? [];
  return { ...cli, admin };
}

async function stop({ child, ended }: RunningCli): Promise<number | undefined> {
  child.kill('SIGTERM');
  return (await ended).code;
}

describe('a sidecar in front of a healthy service', () => {
  let sidecar: RunningSidecar;
  let watch: RunningCli;
  let watchJson: RunningCli;

  beforeAll(async () => {
    watch = startCli(['watch', 'orders', '--registry', registry]);
    watchJson = startCli(['watch', 'orders', '--registry', registry, '--json']);
    await watch.until((stdout) => stdout.includes('0 instances now'));
    await watchJson.until((stdout) => stdout.includes('"list"'));
    sidecar = await startSidecar('orders', '--id', 'o1', '--probe', 'http:/', '--tag', 'a', '--zone', 'eu-1');
    await watch.until((stdout) => stdout.includes('+ o1'));
  });

  test('ls counts it', async () => {
    const { code, stdout } = await read('ls');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'SERVICE  INSTANCES\norders   1\n' });
    const json = await read('ls', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ registry, services: [{ name: 'orders', instances: 1 }] });
  });

  test('ls with its name shows each instance', async () => {
    const { code, stdout } = await read('ls', 'orders');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/\s+/))).toEqual([
      ['ID', 'ADDRESS', 'WEIGHT', 'STATUS', 'ZONE', 'VERSION', 'TAGS', 'NOTE'],
      ['o1', `127.0.0.1:${port}`, '1', 'passing', 'eu-1', '-', 'a', '-'],
      [''],
    ]);
    const json = await read('ls', 'orders', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ registry, service: 'orders', instances: [{ id: 'o1' }] });
  });

  test('resolve picks it', async () => {
    expect(await read('resolve', 'orders')).toEqual({ code: 0, stdout: `127.0.0.1:${port}\n`, stderr: '' });
    const json = await read('resolve', 'orders', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ service: 'orders', host: '127.0.0.1', port });
  });

  test('SIGTERM takes it off the list before the process ends with 0', async () => {
    expect(await stop(sidecar)).toBe(0);
    const { code, stdout, stderr } = await read('ls', 'orders');
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `no instance of orders in ${registry}\n`,
    });
  });

  test('watch told of it, in text and in JSON lines, and ends with 0', async () => {
    await watch.until((stdout) => stdout.includes('- o1'));
    await watchJson.until((stdout) => stdout.includes('"removed"'));
    expect(await stop(watch)).toBe(0);
    expect(await stop(watchJson)).toBe(0);
    const lines = watch.stdout().trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ''))).toEqual([
      '0 instances now',
      `+ o1 127.0.0.1:${port} weight 1, passing, zone eu-1, tags a`,
      `~ o1 127.0.0.1:${port} weight 1, draining, zone eu-1, tags a`,
      '- o1',
    ]);
    const events = watchJson
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    expect(events.map(({ event }) => event)).toEqual(['list', 'added', 'changed', 'removed']);
  });
});

test('heartbeats list a service with a ttl probe, and take it off', async () => {
  const sidecar = await startSidecar('batch', '--probe', 'ttl:30s');
  const beat = (...args: readonly string[]) => runCli(['heartbeat', ...args, '--admin', sidecar.admin]);
  const watch = startCli(['watch', 'batch', '--registry', registry]);
  expect(await beat('batch', '--note', 'all done')).toEqual({ code: 0, stdout: 'batch: pass\n', stderr: '' });
  await watch.until((stdout) => stdout.includes('+ '));
  const json = await beat('batch', 'fail', '--json');
  expect(JSON.parse(json.stdout)).toEqual({ service: 'batch', status: 'fail' });
  await watch.until((stdout) => stdout.includes('- '));
  const unknown = await beat('nothing');
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toMatch(/^pilotfish: the sidecar at http:\S+ answered 404: .*"nothing"\n$/);
  expect(await stop(watch)).toBe(0);
  expect(await stop(sidecar)).toBe(0);
});

describe('a negative answer ends with code 1 and a clear line', () => {
  test('resolve of a service that nobody registered', async () => {
    const { code, stdout, stderr } = await read('resolve', 'nobody');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^pilotfish: nobody .+\n$/);
  });

  test.each(['zookeeper', 'consul', 'etcd'])('of a %s that nobody runs, with the reason', async (scheme) => {
    const away = ['--registry', `${scheme}://127.0.0.1:1`];
    const listing = await runCli(['ls', 'orders', ...away, '--timeout', '2s']);
    expect(listing).toMatchObject({ code: 1, stdout: '' });
    expect(listing.stderr).toMatch(/^pilotfish: .*connect ECONNREFUSED 127\.0\.0\.1:1.*\n$/);
    const resolved = await runCli(['resolve', 'orders', ...away, '--timeout', '2s']);
    expect(resolved).toMatchObject({ code: 1, stdout: '' });
    expect(resolved.stderr).toMatch(
      /^pilotfish: no list of orders .*connect ECONNREFUSED 127\.0\.0\.1:1.*\n$/,
    );
    const watch = startCli(['watch', 'orders', ...away]);
    await watch.until((stdout) => stdout.includes('\n'));
    expect(await stop(watch)).toBe(0);
    expect(watch.stdout()).toMatch(/ ! the registry does not answer: .*connect ECONNREFUSED 127\.0\.0\.1:1/);
  });

  test('a heartbeat to a sidecar that is not there', async () => {
    const { code, stderr } = await runCli(['heartbeat', 'orders', '--admin', '127.0.0.1:1']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^pilotfish: the sidecar at http:\/\/127\.0\.0\.1:1 does not answer: .+\n$/);
  });

  test('a heartbeat to something that never answers', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const admin = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { code, stderr } = await runCli(['heartbeat', 'orders', '--admin', admin, '--timeout', '200ms']);
    silent.closeAllConnections();
    silent.close();
    expect(code).toBe(1);
    expect(stderr).toBe(`pilotfish: asking the sidecar at http://${admin} took longer than 200 ms\n`);
  });
});

test.each(['admin', 'metrics'])(
  'an address for %s that another sidecar has is told, with what to do',
  async (setting) => {
    const first = await startSidecar('first', '--metrics', '127.0.0.1:0');
    const taken = { admin: first.admin, metrics: /"metrics":"([^"]+)"/.exec(first.stdout())?.[1] ?? '' }[
      setting
    ];
    const address = taken?.replace('http://', '') ?? '';
    const own = [
      '--service',
      'second',
      '--port',
      `${port}`,
      '--registry',
      registry,
      '--admin',
      '127.0.0.1:0',
    ];
    const { code, stderr } = await runCli(['sidecar', ...own, `--${setting}`, address]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `pilotfish: cannot listen where ${setting} says: listen EADDRINUSE: address already in use ${address}; ` +
        'each sidecar of a host needs one of its own\n',
    );
    expect(await stop(first)).toBe(0);
  },
);

describe('a look at the configuration', () => {
  const file = (): string => join(directory, 'sidecar.yaml');

  test('--check-config says ok, and registers nothing', async () => {
    const elsewhere = join(directory, 'unused');
    await mkdir(elsewhere);
    await writeFile(file(), `registry: local:${elsewhere}\nservices: [{ name: orders, port: 8080 }]\n`);
    expect(await runCli(['sidecar', '--config', file(), '--check-config'])).toEqual({
      code: 0,
      stdout: 'ok\n',
      stderr: '',
    });
    expect(await runCli(['ls', '--registry', `local:${elsewhere}`])).toMatchObject({ code: 0, stdout: '' });
  });

  test('--check-config says everything that is wrong', async () => {
    await writeFile(
      file(),
      'services: [{ name: orders, port: 0, probes: [tcp, { type: http, timeout: 5 }] }]\n',
    );
    const { code, stdout, stderr } = await runCli(['sidecar', '--config', file(), '--check-config']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([
      'pilotfish: expected a whole number from 1 to 65535, got 0, at services[0].port',
      'pilotfish: expected a duration from 10ms to 1h, such as "2s", got 5, at services[0].probes[1].timeout',
    ]);
  });

  test('what --print-config prints is a configuration', async () => {
    const args = ['sidecar', '--service', 'orders', '--port', '8080', '--print-config'];
    const yaml = await runCli(args);
    await writeFile(file(), yaml.stdout);
    expect(await runCli(['sidecar', '--config', file(), '--print-config'])).toEqual(yaml);
    const json = await runCli([...args, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ services: [{ name: 'orders', port: 8080 }] });
  });

  test('a warning goes to standard error', async () => {
    const { code, stderr } = await runCli([
      'sidecar',
      '--check-config',
      '--service',
      'a',
      '--port',
      '1',
      '--timeout',
      '5s',
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^pilotfish: warning: a: the timeout 5s .+\n$/);
  });

  test('a file that is not there', async () => {
    const { code, stderr } = await runCli(['sidecar', '--config', 'nowhere.yaml']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^pilotfish: expected a file that can be read, got .+, at nowhere\.yaml\n$/);
  });
});

test('the command that npm links starts with a shebang', async () => {
  expect(await readFile(new URL('../../dist/cli/main.js', import.meta.url), 'utf8')).toMatch(
    /^#!\/usr\/bin\/env node\n/,
  );
});
