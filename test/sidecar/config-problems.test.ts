/** Every field of the configuration file says what it expects, what it got, and where. */
import { describe, expect, test } from 'vitest';
import { MAX_NAME_LENGTH, NAME_RULE } from '../../registry/instance.js';
import { REGISTRY_SCHEMES } from '../../registry/open.js';
import { problemsOf } from '../helpers/config.js';

const orders = { name: 'orders', port: 8080 };
const withService = (fields: object): object => ({ services: [{ ...orders, ...fields }] });
const withProbe = (probe: unknown): object => withService({ probes: [probe] });
const http = (fields: object): object => withProbe({ type: 'http', ...fields });

const DURATION = 'a duration from 10ms to 1h, such as "2s"';
const WHOLE = 'a whole number from 1 to 1000';
const TEXT = 'text of 1 to 1024 characters, in quotes where it looks like a number';
const NAME = NAME_RULE;
const ADDRESS = 'an IP address, a host name, "interface:NAME", "cidr:NETWORK/BITS" or "detected"';
const SCHEMES = REGISTRY_SCHEMES.filter((scheme) => scheme !== 'static').map((scheme) => `${scheme}:`);
const URL = `a registry URL without user and password, hosts as host:port, that starts with ${SCHEMES.join(', ')}`;
const ADMIN = 'host:port, such as "127.0.0.1:9190", or a socket, such as "unix:/run/pilotfish/admin.sock"';
const REACHABLE = 'a loopback address, a unix socket, or adminTokenFile beside it';
const SHORT =
  '"tcp", "tcp:8081", "http:/path", "https:/path", "grpc", "grpc:8081", "grpc:/service" or "ttl:10s"';
const TYPES = 'one of: tcp, http, grpc, udp, exec, ttl';
const EXEC_FILE =
  'a configuration file that has "enableExecProbe: true" and the probe as { type: exec, command: [...] }';
const UDP_FILE = 'a configuration file that has the probe as { type: udp, send: ..., expect: ... }';
const ARGUMENT = 'text of at most 1024 characters without NUL, in quotes where it looks like a number';
const COMMAND = 'a list of 1 to 64 texts: the program and its arguments';
const PAYLOAD = 'text of 1 to 1024 characters, or "hex:" and two hexadecimal digits for each byte';
const STATUS = 'a status such as 200, "2xx" or "200-399"';
const HOST = 'an IP address or a host name';
const HEADER = 'a header name that the HTTP client does not set itself';

describe.each<{ title: string; cases: readonly (readonly [file: object | string, problem: string])[] }>([
  {
    title: 'the top level',
    cases: [
      ['[]', 'expected an object, got a list of 0, at configuration'],
      ['orders', 'expected an object, got "orders", at configuration'],
      ['', 'expected a list of 1 to 1000 services, got nothing, at services'],
      [{ services: [] }, 'expected a list of 1 to 1000 services, got a list of 0, at services'],
      [{ services: 'orders' }, 'expected a list of 1 to 1000 services, got "orders", at services'],
      [{ services: ['orders'] }, 'expected an object, got "orders", at services[0]'],
      [
        { services: [orders], intervall: '2s' },
        'expected one of: registry, admin, adminTokenFile, metrics, logLevel, enableExecProbe, drainPropagation, drainWait, drainTimeout, stateDir, reloadOnChange, flapHoldDown, protectMassFailure, fleetSize, address, interval, fastInterval, jitter, timeout, rise, fall, startGrace, services, got "intervall", at intervall',
      ],
      [{ services: [orders], registry: 'etc:x' }, `expected ${URL}, got "etc:x", at registry`],
      [{ services: [orders], registry: 'static:x' }, `expected ${URL}, got "static:x", at registry`],
      [
        { services: [orders], registry: ['local:', 'consul://h:99999'] },
        `expected ${URL}, got "consul://h:99999", at registry[1]`,
      ],
      [
        { services: [orders], registry: 5 },
        `expected ${URL} or a list of 1 to 8 registry URLs, got 5, at registry`,
      ],
      [
        { services: [orders], registry: [] },
        'expected a list of 1 to 8 registry URLs, got a list of 0, at registry',
      ],
      [{ services: [orders], admin: '0.0.0.0:9190' }, `expected ${REACHABLE}, got "0.0.0.0:9190", at admin`],
      [{ services: [orders], admin: 'unix:admin' }, `expected ${ADMIN}, got "unix:admin", at admin`],
      [{ services: [orders], adminTokenFile: '' }, `expected ${TEXT}, got "", at adminTokenFile`],
      [{ services: [orders], admin: '127.0.0.1' }, `expected ${ADMIN}, got "127.0.0.1", at admin`],
      [
        { services: [orders], logLevel: 'loud' },
        'expected one of: debug, info, warn, error, got "loud", at logLevel',
      ],
      [{ services: [orders], address: 'interface:' }, `expected ${ADDRESS}, got "interface:", at address`],
      [{ services: [orders], interval: '1d' }, `expected ${DURATION}, got "1d", at interval`],
    ],
  },
  {
    title: 'a service',
    cases: [
      [{ services: [{ port: 80 }] }, `expected ${NAME}, got nothing, at services[0].name`],
      [withService({ name: '../x' }), `expected ${NAME}, got "../x", at services[0].name`],
      [
        { services: [{ name: 'orders' }] },
        'expected a whole number from 1 to 65535, got nothing, at services[0].port',
      ],
      [withService({ port: 0 }), 'expected a whole number from 1 to 65535, got 0, at services[0].port'],
      [withService({ port: 80.5 }), 'expected a whole number from 1 to 65535, got 80.5, at services[0].port'],
      [withService({ port: '80' }), 'expected a whole number from 1 to 65535, got "80", at services[0].port'],
      [withService({ id: 'a b' }), `expected ${NAME}, got "a b", at services[0].id`],
      [
        withService({ address: 'cidr:10.0.0.0/33' }),
        `expected ${ADDRESS}, got "cidr:10.0.0.0/33", at services[0].address`,
      ],
      [withService({ weight: -1 }), 'expected a number from 0 to 65535, got -1, at services[0].weight'],
      [withService({ tags: 'a' }), 'expected a list of 0 to 64 texts, got "a", at services[0].tags'],
      [withService({ tags: [1] }), `expected ${TEXT}, got 1, at services[0].tags[0]`],
      [withService({ zone: '' }), `expected ${TEXT}, got "", at services[0].zone`],
      ['services: [{name: a, port: 1, version: 1.10}]', `expected ${TEXT}, got 1.1, at services[0].version`],
      [
        withService({ metadata: [] }),
        'expected an object of texts, got a list of 0, at services[0].metadata',
      ],
      [
        withService({ metadata: { team: 5 } }),
        'expected text, in quotes where it looks like a number, got 5, at services[0].metadata.team',
      ],
      [
        withService({ metadata: { constructor: 'x' } }),
        `expected a key of 1 to ${MAX_NAME_LENGTH} characters, got "constructor", at services[0].metadata.constructor`,
      ],
      [withService({ rise: 0 }), `expected ${WHOLE}, got 0, at services[0].rise`],
      [withService({ fall: 1001 }), `expected ${WHOLE}, got 1001, at services[0].fall`],
      [withService({ interval: '9ms' }), `expected ${DURATION}, got "9ms", at services[0].interval`],
      [withService({ timeout: '61m' }), `expected ${DURATION}, got "61m", at services[0].timeout`],
      [withService({ fastInterval: '9ms' }), `expected ${DURATION}, got "9ms", at services[0].fastInterval`],
      [withService({ jitter: 0.6 }), 'expected a number from 0 to 0.5, got 0.6, at services[0].jitter'],
      [
        withService({ startGrace: 30 }),
        'expected a duration from 0ms to 1h, such as "2s", got 30, at services[0].startGrace',
      ],
      [
        withService({ intervall: '2s' }),
        'expected one of: name, port, id, address, weight, warningWeight, flapHoldDown, tags, zone, version, metadata, interval, fastInterval, jitter, timeout, rise, fall, startGrace, heartbeatSecretFile, inFlight, require, probes, got "intervall", at services[0].intervall',
      ],
      [
        {
          services: [
            { ...orders, heartbeatSecretFile: 'a' },
            { ...orders, id: 'o2', heartbeatSecretFile: 'b' },
          ],
        },
        'expected the same file in every entry of the service, got "b", at services[1].heartbeatSecretFile',
      ],
      [
        { services: [orders, { ...orders, id: 'web-1.internal-8080' }] },
        'expected an id that no other entry of the service has, got "web-1.internal-8080", at services[1].id',
      ],
    ],
  },
  {
    title: 'combining probes',
    cases: [
      [withService({ require: 'most' }), 'expected one of: all, any, got "most", at services[0].require'],
      [
        withService({ require: { atLeast: 0 } }),
        'expected a whole number from 1 to 32, got 0, at services[0].require.atLeast',
      ],
      [
        withService({ require: { atLeast: 2 }, probes: ['tcp', { type: 'http', advisory: true }] }),
        'expected a number up to 1, as there are no more probes that decide, got 2, at services[0].require.atLeast',
      ],
      [
        withProbe({ type: 'tcp', advisory: true }),
        'expected at least one probe that is not advisory, got a list of 1, at services[0].probes',
      ],
    ],
  },
  {
    title: 'any probe',
    cases: [
      [withService({ probes: 'tcp' }), 'expected a list of 1 to 32 probes, got "tcp", at services[0].probes'],
      [
        withService({ probes: [] }),
        'expected a list of 1 to 32 probes, got a list of 0, at services[0].probes',
      ],
      [withProbe('dns'), `expected ${SHORT}, got "dns", at services[0].probes[0]`],
      [withProbe('ttl:soon'), `expected ${SHORT}, got "ttl:soon", at services[0].probes[0]`],
      [withProbe('tcp:70000'), `expected ${SHORT}, got "tcp:70000", at services[0].probes[0]`],
      [withProbe('http:health'), `expected ${SHORT}, got "http:health", at services[0].probes[0]`],
      [withProbe(7), `expected ${SHORT} or an object, got 7, at services[0].probes[0]`],
      [withProbe({}), `expected ${TYPES}, got nothing, at services[0].probes[0].type`],
      [withProbe({ type: 'dns' }), `expected ${TYPES}, got "dns", at services[0].probes[0].type`],
      [
        withProbe({ type: 'tcp', timeout: 5 }),
        `expected ${DURATION}, got 5, at services[0].probes[0].timeout`,
      ],
      [
        withProbe({ type: 'tcp', path: '/' }),
        'expected one of: type, name, advisory, host, port, resolve, hold, interval, fastInterval, jitter, timeout, rise, fall, startGrace, got "path", at services[0].probes[0].path',
      ],
      [
        withProbe({ type: 'tcp', host: '127.1' }),
        `expected ${HOST}, got "127.1", at services[0].probes[0].host`,
      ],
      [
        withProbe({ type: 'tcp', host: 'db.internal' }),
        'expected an IP address, or "resolve: true" beside a host name, got "db.internal", at services[0].probes[0].host',
      ],
      [
        withProbe({ type: 'tcp', resolve: 'yes' }),
        'expected true or false, got "yes", at services[0].probes[0].resolve',
      ],
      [
        withService({ probes: ['tcp', 'http:/', 'tcp'] }),
        'expected a name that no other probe of the service has, got "tcp", at services[0].probes[2].name',
      ],
      [
        withProbe({ type: 'ttl' }),
        'expected a duration from 10ms to 24h, such as "2s", got nothing, at services[0].probes[0].ttl',
      ],
    ],
  },
  {
    title: 'a grpc probe',
    cases: [
      [withProbe('grpc:orders'), `expected ${SHORT}, got "grpc:orders", at services[0].probes[0]`],
      [
        withProbe({ type: 'grpc', service: 'a b' }),
        'expected a service name of at most 200 characters without spaces, or "", got "a b", at services[0].probes[0].service',
      ],
      [
        withProbe({ type: 'grpc', tls: 'yes' }),
        'expected true or false or an object, got "yes", at services[0].probes[0].tls',
      ],
    ],
  },
  {
    title: 'a udp probe',
    cases: [
      [withProbe('udp'), `expected ${UDP_FILE}, got "udp", at services[0].probes[0]`],
      [withProbe('udp:53'), `expected ${UDP_FILE}, got "udp:53", at services[0].probes[0]`],
      [
        withProbe({ type: 'udp', send: 'ping' }),
        `expected ${PAYLOAD}, got nothing, at services[0].probes[0].expect`,
      ],
      [
        withProbe({ type: 'udp', expect: 'pong' }),
        `expected ${PAYLOAD}, got nothing, at services[0].probes[0].send`,
      ],
      [
        withProbe({ type: 'udp', send: 'hex:abc', expect: 'pong' }),
        `expected ${PAYLOAD}, got "hex:abc", at services[0].probes[0].send`,
      ],
      [
        withProbe({ type: 'udp', send: 'ping', expect: 'hex:' }),
        `expected ${PAYLOAD}, got "hex:", at services[0].probes[0].expect`,
      ],
      [
        withProbe({ type: 'udp', send: 'ping', expect: '' }),
        `expected ${PAYLOAD}, got "", at services[0].probes[0].expect`,
      ],
      [
        withProbe({ type: 'udp', send: 'ping', expect: 'pong', host: 'dns.internal' }),
        'expected an IP address, or "resolve: true" beside a host name, got "dns.internal", at services[0].probes[0].host',
      ],
    ],
  },
  {
    title: 'an exec probe',
    cases: [
      [
        withProbe({ type: 'exec', command: ['true'] }),
        'expected "enableExecProbe: true" at the top level of the file beside a probe of type exec, got none, at services[0].probes[0].type',
      ],
      [
        { ...withProbe({ type: 'exec', command: ['true'] }), enableExecProbe: false },
        'expected "enableExecProbe: true" at the top level of the file beside a probe of type exec, got none, at services[0].probes[0].type',
      ],
      [
        { ...withProbe('tcp'), enableExecProbe: 'yes' },
        'expected true or false, got "yes", at enableExecProbe',
      ],
      [
        { ...withProbe('exec:/bin/true'), enableExecProbe: true },
        `expected ${EXEC_FILE}, got "exec:/bin/true", at services[0].probes[0]`,
      ],
      [withProbe({ type: 'exec' }), `expected ${COMMAND}, got nothing, at services[0].probes[0].command`],
      [
        withProbe({ type: 'exec', command: 'rm -rf /' }),
        `expected ${COMMAND}, got "rm -rf /", at services[0].probes[0].command`,
      ],
      [
        withProbe({ type: 'exec', command: [] }),
        'expected the path or name of a program, got nothing, at services[0].probes[0].command[0]',
      ],
      [
        withProbe({ type: 'exec', command: new Array(65).fill('x') }),
        `expected ${COMMAND}, got a list of 65, at services[0].probes[0].command`,
      ],
      [
        withProbe({ type: 'exec', command: [''] }),
        'expected the path or name of a program, got "", at services[0].probes[0].command[0]',
      ],
      [
        withProbe({ type: 'exec', command: ['check', 5] }),
        `expected ${ARGUMENT}, got 5, at services[0].probes[0].command[1]`,
      ],
      [
        withProbe({ type: 'exec', command: ['check', 'a\0b'] }),
        `expected ${ARGUMENT}, got "a\\u0000b", at services[0].probes[0].command[1]`,
      ],
    ],
  },
  {
    title: 'an http probe',
    cases: [
      [
        http({ path: 'health' }),
        'expected a path that starts with / and holds no spaces, got "health", at services[0].probes[0].path',
      ],
      [
        http({ path: '/a b' }),
        'expected a path that starts with / and holds no spaces, got "/a b", at services[0].probes[0].path',
      ],
      [
        http({ method: 'DELETE' }),
        'expected one of: GET, HEAD, OPTIONS, POST, PUT, got "DELETE", at services[0].probes[0].method',
      ],
      [
        http({ headers: [] }),
        'expected an object of texts, got a list of 0, at services[0].probes[0].headers',
      ],
      [
        http({ headers: { 'x y': 'z' } }),
        `expected ${HEADER}, got "x y", at services[0].probes[0].headers["x y"]`,
      ],
      [
        http({ headers: { Upgrade: 'h2c' } }),
        `expected ${HEADER}, got "Upgrade", at services[0].probes[0].headers.Upgrade`,
      ],
      [
        http({ expectStatus: 200 }),
        'expected a list of 1 to 64 statuses, got 200, at services[0].probes[0].expectStatus',
      ],
      [
        http({ expectStatus: [600] }),
        `expected ${STATUS}, got 600, at services[0].probes[0].expectStatus[0]`,
      ],
      [
        http({ expectStatus: ['399-200'] }),
        `expected ${STATUS}, got "399-200", at services[0].probes[0].expectStatus[0]`,
      ],
      [
        http({ expectStatus: [null] }),
        `expected ${STATUS}, got null, at services[0].probes[0].expectStatus[0]`,
      ],
      [http({ expectBody: '' }), `expected ${TEXT}, got "", at services[0].probes[0].expectBody`],
      [
        http({ method: 'HEAD', expectBody: 'ok' }),
        'expected nothing beside the method HEAD, whose answers have no body, got "ok", at services[0].probes[0].expectBody',
      ],
      [http({ tls: 'yes' }), 'expected true or false or an object, got "yes", at services[0].probes[0].tls'],
      [
        http({ tls: { verify: false } }),
        'expected one of: ca, serverName, insecureSkipVerify, got "verify", at services[0].probes[0].tls.verify',
      ],
      [
        http({ tls: { serverName: 'a b' } }),
        'expected a host name, got "a b", at services[0].probes[0].tls.serverName',
      ],
    ],
  },
])('$title', ({ cases }) => {
  test.each(cases)('%j', async (file, problem) => {
    expect(await problemsOf({ file })).toEqual([problem]);
  });
});

test('everything that is wrong is said at once', async () => {
  const file = {
    registry: 'nowhere',
    services: [
      { name: 'a b', port: 0, probes: ['tcp', { type: 'http', path: 'x', timeout: '0s' }] },
      { name: 'ok', port: 1, rise: -1 },
    ],
  };
  const paths = (await problemsOf({ file })).map((line) => line.replace(/^.*, at /, ''));
  expect(paths).toEqual([
    'registry',
    'services[0].name',
    'services[0].port',
    'services[0].probes[1].path',
    'services[0].probes[1].timeout',
    'services[1].rise',
  ]);
});

describe('a value that may be secret is not repeated', () => {
  test.each([
    [http({ headers: { authorization: 'Bearer hunter2\n' } })],
    [{ services: [orders], registry: 'zookeeper://admin:hunter2@10.0.0.1:2181' }],
  ])('%j', async (file) => {
    const lines = await problemsOf({ file });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('got another value, not shown');
    expect(lines[0]).not.toContain('hunter2');
  });
});

describe('syntax errors name file, line and column', () => {
  test.each([
    ['services: [\n- a', /^expected YAML or JSON, got .+, at sidecar\.yaml:2:1$/],
    ['admin: a\nadmin: b', /^expected YAML or JSON, got Map keys must be unique, at sidecar\.yaml:2:1$/],
    ['services:\n\t- name: a', /at sidecar\.yaml:2:1$/],
    ['{"services": [}', /at sidecar\.yaml:1:15$/],
    ['admin: !secret x', /Unresolved tag: !secret, at sidecar\.yaml:1:8$/],
    ['a: 1\n---\nb: 2', /multiple documents/],
  ])('%j', async (file, line) => {
    expect((await problemsOf({ file }))[0]).toMatch(line);
  });

  test('aliases that multiply without end are refused', async () => {
    const layers = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`);
    const lines = await problemsOf({ file: ['l0: &l0 [x]', ...layers].join('\n') });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^expected YAML or JSON, got .+, at sidecar\.yaml$/);
  });
});

test('the parameters of every registry URL are checked by its backend, all at once', async () => {
  const file = {
    registry: ['consul://127.0.0.1:8500?ttl=1ms&nope=1', 'zookeeper://a:2181?acl=creator&sasl=x'],
    services: [{ name: 'orders', port: 8080 }],
  };
  const problems = await problemsOf({ file });
  expect(problems.map((line) => line.split(', at ').at(-1))).toEqual([
    'registry[0]?nope',
    'registry[1]?sasl',
    'registry[1]?acl',
  ]);
});
