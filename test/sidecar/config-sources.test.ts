/** Flags win over the environment, the environment over the file, the file over the defaults. */
import { describe, expect, test } from 'vitest';
import { CONFIG_ENV, SETTINGS } from '../../sidecar/config/settings.js';
import { type GivenSources, load, problemsOf } from '../helpers/config.js';

const minimal = { service: 'orders', port: '8080' };

async function firstService(sources: GivenSources) {
  const { config } = await load(sources);
  const [service] = config.services;
  if (service === undefined) throw new Error('there is no service');
  return { config, service, probe: service.probes[0] };
}

test('a name and a port are enough', async () => {
  const { config } = await load({ flags: minimal });
  expect(config).toEqual({
    registries: ['local:'],
    admin: { host: '127.0.0.1', port: 9190 },
    adminTokenFile: undefined,
    metrics: undefined,
    logLevel: 'info',
    enableExecProbe: false,
    drain: { propagationMs: 200, waitMs: 5_000, timeoutMs: 25_000 },
    stateDir: '/var/lib/pilotfish',
    reloadOnChange: false,
    protectMassFailure: true,
    fleetSize: 500,
    services: [
      {
        name: 'orders',
        id: 'web-1.internal-8080',
        port: 8080,
        address: { type: 'detected' },
        weight: 1,
        warningWeight: 0.5,
        flapHoldDown: true,
        heartbeatSecretFile: undefined,
        inFlight: undefined,
        tags: [],
        zone: undefined,
        version: undefined,
        metadata: {},
        require: 'all',
        probes: [
          {
            type: 'tcp',
            name: 'tcp',
            host: '127.0.0.1',
            port: 8080,
            resolve: false,
            hold: true,
            intervalMs: 2000,
            fastIntervalMs: 500,
            jitter: 0.1,
            timeoutMs: 1000,
            rise: 2,
            fall: 3,
            startGraceMs: 0,
            advisory: false,
          },
        ],
      },
    ],
  });
});

test('the result is frozen all the way down', async () => {
  const { config, service } = await firstService({ flags: { ...minimal, probe: ['http:/'] } });
  for (const part of [config, config.registries, config.admin, service, service.probes, service.probes[0]]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

test('neither file nor service: the flags that are missing are named', async () => {
  const lines = await problemsOf({});
  expect(lines.map((line) => line.replace(/^.*, got nothing/, ''))).toEqual([
    ', at --service',
    ', at --port',
  ]);
});

describe('a setting given in several places', () => {
  const file = { interval: '10s', services: [{ name: 'orders', port: 1, zone: 'file', tags: ['file'] }] };
  const env = { PILOTFISH_INTERVAL: '20s', PILOTFISH_ZONE: 'env', PILOTFISH_TAG: 'env, other' };
  const flags = { interval: '30s', zone: 'flag', tag: ['flag'] };

  test.each([
    ['file', { file }, 10_000, 'file', ['file']],
    ['environment', { file, env }, 20_000, 'env', ['env', 'other']],
    ['flags', { file, env, flags }, 30_000, 'flag', ['flag']],
  ] as const)('comes from the %s', async (_, sources, intervalMs, zone, tags) => {
    const { service, probe } = await firstService(sources);
    expect(probe?.intervalMs).toBe(intervalMs);
    expect(service).toMatchObject({ zone, tags });
  });
});

test('the innermost of top level, service and probe wins', async () => {
  const probes = ['tcp', { type: 'tcp', name: 'own', interval: '3s' }];
  const services = [
    { name: 'a', port: 1, interval: '2s', probes },
    { name: 'b', port: 2 },
  ];
  const { config } = await load({ file: { interval: '1s', services } });
  const intervals = config.services.map((service) => service.probes.map((probe) => probe.intervalMs));
  expect(intervals).toEqual([[2000, 3000], [1000]]);
});

describe('every setting is a flag and a variable of the same name', () => {
  const texts: Readonly<Record<string, string>> = {
    registry: 'consul://10.0.0.1',
    name: 'orders',
    port: '8081',
    id: 'orders-1',
    address: '10.0.0.5',
    probes: 'http:/health',
    interval: '5s',
    fastInterval: '100ms',
    jitter: '0.2',
    timeout: '2s',
    rise: '4',
    fall: '5',
    startGrace: '30s',
    weight: '7',
    warningWeight: '0.1',
    drainPropagation: '1s',
    drainWait: '0s',
    drainTimeout: '55s',
    stateDir: '/state',
    tags: 'blue',
    zone: 'eu-1',
    version: '1.10',
    metadata: 'team=data',
    heartbeatSecretFile: '/run/secrets/orders',
    admin: '127.0.0.1:0',
    adminTokenFile: '/run/secrets/admin',
    metrics: '0.0.0.0:9464',
    logLevel: 'debug',
  };
  const base: GivenSources = { file: { services: [{ name: 'orders', port: 8080 }] } };

  test.each(SETTINGS)('$flag', async (setting) => {
    const text = texts[setting.key] as string;
    const byFlag = await load({ ...base, flags: { [setting.flag]: text } });
    const byEnv = await load({ ...base, env: { [setting.env]: text } });
    expect(byEnv.config).toEqual(byFlag.config);
    const isDefault = setting.key === 'name';
    const unset = await load(base);
    if (!isDefault) expect(byFlag.config).not.toEqual(unset.config);
  });

  test('the variables are these', () => {
    expect([CONFIG_ENV, ...SETTINGS.map(({ env }) => env)].sort()).toEqual(
      [
        'ADDRESS ADMIN ADMIN_TOKEN_FILE CONFIG DRAIN_PROPAGATION DRAIN_TIMEOUT DRAIN_WAIT FALL FAST_INTERVAL HEARTBEAT_SECRET_FILE ID INTERVAL JITTER LOG_LEVEL META METRICS PORT PROBE REGISTRY RISE SERVICE',
        'START_GRACE STATE_DIR TAG TIMEOUT VERSION WARNING_WEIGHT WEIGHT ZONE',
      ]
        .join(' ')
        .split(' ')
        .map((name) => `PILOTFISH_${name}`),
    );
  });
});

describe('the environment', () => {
  test('holds several registries apart by spaces, as their URLs hold commas', async () => {
    const { config } = await load({
      flags: minimal,
      env: { PILOTFISH_REGISTRY: 'zookeeper://a:2181,b:2181/x  consul://c' },
    });
    expect(config.registries).toEqual(['zookeeper://a:2181,b:2181/x', 'consul://c']);
  });

  test('holds metadata as pairs; a value may contain the sign', async () => {
    const { service } = await firstService({ flags: minimal, env: { PILOTFISH_META: 'a=1,b=x=y' } });
    expect(service.metadata).toEqual({ a: '1', b: 'x=y' });
  });

  test('an empty variable is not set', async () => {
    const { service } = await firstService({
      flags: minimal,
      env: { PILOTFISH_ZONE: '', PILOTFISH_CONFIG: '' },
    });
    expect(service.zone).toBeUndefined();
  });

  test('what the kubelet says of a Service named pilotfish is no setting', async () => {
    const links = (prefix: string) => ({
      [`${prefix}_SERVICE_HOST`]: '10.0.0.1',
      [`${prefix}_SERVICE_PORT`]: '9190',
      [`${prefix}_SERVICE_PORT_ADMIN`]: '9190',
      [`${prefix}_PORT`]: 'tcp://10.0.0.1:9190',
      [`${prefix}_PORT_9190_TCP`]: 'tcp://10.0.0.1:9190',
      [`${prefix}_PORT_9190_TCP_PROTO`]: 'tcp',
      [`${prefix}_PORT_9190_TCP_PORT`]: '9190',
      [`${prefix}_PORT_9190_TCP_ADDR`]: '10.0.0.1',
    });
    const env = { ...links('PILOTFISH'), ...links('PILOTFISH_SIDECAR') };
    const { service } = await firstService({ flags: minimal, env });
    expect(service.port).toBe(Number(minimal.port));
    const own = await firstService({ flags: { service: 'a' }, env: { ...env, PILOTFISH_PORT: '81' } });
    expect(own.service.port).toBe(81);
  });

  test.each([
    [{ PILOTFISH_SERVICE_PORT: '80' }, 'PILOTFISH_SERVICE_PORT'],
    [{ PILOTFISH_PORT: 'tcp://10.0.0.1:80' }, 'PILOTFISH_PORT'],
  ])('%j without the Service that would say it is an error', async (env, name) => {
    const problems = await problemsOf({ flags: { service: 'a' }, env });
    expect(problems.some((problem) => problem.endsWith(`at ${name}`))).toBe(true);
  });

  test('an unknown PILOTFISH_ variable is an error, those for tests and of others are not', async () => {
    const env = { PILOTFISH_INTERVALL: '2s', PILOTFISH_TEST_SERVERS: 'x', HOME: '/root' };
    const [line, ...others] = await problemsOf({ flags: minimal, env });
    expect(line).toMatch(
      /^expected one of: PILOTFISH_CONFIG, .+, got "PILOTFISH_INTERVALL", at PILOTFISH_INTERVALL$/,
    );
    expect(others).toEqual([]);
  });

  test('names the file unless a flag does', async () => {
    const env = { PILOTFISH_CONFIG: 'other.yaml' };
    expect((await problemsOf({ file: 'x: [', env }))[0]).toMatch(/at sidecar\.yaml:1:5$/);
  });
});

describe('a problem is reported where its value was written', () => {
  test.each([
    [{ flags: { ...minimal, interval: '5' } }, '--interval'],
    [{ flags: { ...minimal, port: 'http' } }, '--port'],
    [{ flags: { ...minimal, rise: '-1' } }, '--rise'],
    [{ flags: { ...minimal, registry: ['etc:'] } }, '--registry'],
    [{ flags: { ...minimal, probe: ['tcp', 'ttl:x'] } }, '--probe[1]'],
    [{ flags: { ...minimal, meta: ['a=1', 'b'] } }, '--meta'],
    [{ flags: minimal, env: { PILOTFISH_FALL: 'x' } }, 'PILOTFISH_FALL'],
    [{ flags: { service: 'new' }, file: { services: [{ name: 'a', port: 1 }] } }, '--port'],
    [{ flags: { admin: 'x' }, file: { services: [{ name: 'a', port: 1 }] } }, '--admin'],
    [{ flags: { rise: '2' }, file: { services: [{ name: 'a', port: 1, fall: 0 }] } }, 'services[0].fall'],
  ])('%j', async (sources, path) => {
    const lines = await problemsOf(sources);
    expect(lines.map((line) => line.replace(/^.*, at /, ''))).toEqual([path]);
  });

  test('flags, environment and file are checked together', async () => {
    const lines = await problemsOf({
      flags: { rise: '0' },
      env: { PILOTFISH_FALL: '0', PILOTFISH_WHAT: '1' },
      file: { logLevel: 'loud', services: [{ name: 'a', port: 1 }] },
    });
    expect(lines.map((line) => line.replace(/^.*, at /, '')).sort()).toEqual(
      ['--rise', 'PILOTFISH_FALL', 'PILOTFISH_WHAT', 'logLevel'].sort(),
    );
  });
});

describe('service settings outside of the file', () => {
  const a = { name: 'a', port: 1 };
  const b = { name: 'b', port: 2 };

  test('go to the service of that name', async () => {
    const { config } = await load({ file: { services: [a, b] }, flags: { service: 'b', weight: '9' } });
    expect(config.services.map(({ name, weight }) => [name, weight])).toEqual([
      ['a', 1],
      ['b', 9],
    ]);
  });

  test('add a service when there is none of that name', async () => {
    const { config } = await load({ file: { services: [a] }, flags: { service: 'c', port: '3' } });
    expect(config.services.map(({ name, port }) => [name, port])).toEqual([
      ['a', 1],
      ['c', 3],
    ]);
  });

  test('need no name when the file has one service', async () => {
    const { service } = await firstService({ file: { services: [a] }, flags: { port: '9' } });
    expect(service).toMatchObject({ name: 'a', port: 9 });
  });

  test('need a name when it has several', async () => {
    expect(await problemsOf({ file: { services: [a, b] }, env: { PILOTFISH_PORT: '9' } })).toEqual([
      'expected --service beside it, as the file has several services, got none, at PILOTFISH_PORT',
    ]);
  });

  test('an address beside several services is the default of them all', async () => {
    const own = { ...b, address: 'interface:eth1' };
    const { config } = await load({ file: { services: [a, own] }, env: { PILOTFISH_ADDRESS: '10.0.0.5' } });
    expect(config.services.map(({ address }) => address)).toEqual([
      { type: 'given', host: '10.0.0.5' },
      { type: 'interface', name: 'eth1' },
    ]);
  });
});

test('a file that cannot be read is one problem', async () => {
  const { loadConfig } = await import('../../sidecar/config/load.js');
  const reading = loadConfig({
    flags: { config: 'gone.yaml' },
    env: {},
    hostname: 'h',
    readFile: async () => Promise.reject(new Error('no such file')),
  });
  await expect(reading).rejects.toThrow('expected a file that can be read, got no such file, at gone.yaml');
});

test.each([
  ['web-1.internal', 'web-1.internal-80'],
  ['Büro PC', 'B-ro-PC-80'],
  ['..', 'host-80'],
  ['x'.repeat(300), /^x{100,}-80$/],
])('the default id of the host %j is a valid name', async (hostname, id) => {
  const { loadConfig } = await import('../../sidecar/config/load.js');
  const flags = { service: 'a', port: '80' };
  const { config } = await loadConfig({ flags, env: {}, hostname, readFile: async () => '' });
  expect(config.services[0]?.id).toMatch(
    typeof id === 'string' ? new RegExp(`^${id.replaceAll('.', '\\.')}$`) : id,
  );
});
