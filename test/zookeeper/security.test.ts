import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { openWritable } from '../../registry/open.js';
import { isZkError, type ZkAcl } from '../../registry/zookeeper/driver.js';
import { parseZkUrl } from '../../registry/zookeeper/settings.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { connectClient, OPEN } from '../helpers/zk.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';
import { drive } from './driving.js';
import { FakeServer } from './fake-server.js';
import { fixture, TlsTrap } from './tls-trap.js';

const PASSWORD = 'canary-5b2f';
/** Of sessions that are never to be: a registration waits for them so long. */
const T = '3s';
/** A server's first TLS handshakes are slow, and each attempt has a share of the timeout only. */
const PATIENT_T = '10s';
const ALL: ZkAcl['permissions'] = ['read', 'write', 'create', 'delete', 'admin'];
const WORLD_READ: ZkAcl = { permissions: ['read'], scheme: 'world', id: 'anyone' };

const TLS_ARGS: readonly string[] = [
  `-Dzookeeper.ssl.keyStore.location=${fixture('server')}`,
  '-Dzookeeper.ssl.keyStore.type=PEM',
  `-Dzookeeper.ssl.trustStore.location=${fixture('authority')}`,
  '-Dzookeeper.ssl.trustStore.type=PEM',
];

const tlsConfig = (port: number): readonly string[] => [
  'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
  `secureClientPort=${port}`,
  'secureClientPortAddress=127.0.0.1',
];

/** Everything that was logged or thrown in this file, which must not hold the password. */
const said: string[] = [];
const logger: Logger = { debug: note, info: note, warn: note, error: note };

function note(fields: object, message: string): void {
  said.push(`${JSON.stringify(fields)} ${message}`);
}

/** The message of the error, kept for the search for secrets; `ok` when there was none. */
async function failure(work: Promise<unknown>): Promise<string> {
  const message = await work.then(() => 'ok', messageOf);
  said.push(message);
  return message;
}

let folder: string;
let server: RunningServer;
let tlsAddress: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-security-'));
  const [port] = await freePorts(0);
  tlsAddress = `localhost:${port}`;
  server = await startServer('zookeeper', {
    config: [...tlsConfig(port), 'ssl.clientAuth=want'],
    args: TLS_ARGS,
  });
});

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function secretFile(name: string, text: string, mode = 0o600): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `${text}\n`);
  await chmod(file, mode);
  return file;
}

function instanceOf(service: string, id = `${service}-1`): Instance {
  const instance = parseInstance({ service, id, host: '10.0.0.1', port: 80 });
  if (!instance.ok) throw new Error('the instance is wrong');
  return instance.value;
}

/** What became of a registration under that URL; `ok`, or the message. */
async function registering(url: string, instance: Instance): Promise<string> {
  const registry = await openWritable(url, { logger });
  try {
    return await failure(registry.register(instance));
  } finally {
    await registry.close();
  }
}

/** What a server says of a user's rights to those who have less; to the user the hash of the password as well. */
function aclOf(user: string, password?: string): ZkAcl {
  const hash = createHash('sha1').update(`${user}:${password}`).digest('base64');
  return { permissions: ALL, scheme: 'digest', id: `${user}:${password === undefined ? 'x' : hash}` };
}

describe('digest credentials', () => {
  test('guard every node that is created, the parents too: their creator may do all, everybody may read', async () => {
    const file = await secretFile('pilot', `pilot:${PASSWORD}`);
    const url = `zookeeper://${server.address}/guarded/deep?authFile=${file}&allowInsecureAuth=true`;
    const registry = await openWritable(url, { logger });
    await registry.register(instanceOf('web'));
    await using anybody = await connectClient(server.address);
    for (const path of ['/guarded', '/guarded/deep', '/guarded/deep/web', '/guarded/deep/web/web-1']) {
      expect((await anybody.zk.getAcl(path)).acl, path).toEqual([aclOf('pilot'), WORLD_READ]);
      expect((await anybody.zk.get(path)).stat.version).toBe(0);
      expect(await failure(anybody.zk.set(path, Buffer.alloc(0), -1))).toContain('NO_AUTH');
      expect(await failure(anybody.zk.create(`${path}/x`, Buffer.alloc(0), 'persistent'))).toMatch(
        /NO_AUTH|BAD_ARGUMENTS/,
      );
    }
    await registry.close();
    expect(await anybody.zk.exists('/guarded/deep/web/web-1')).toBeUndefined();
  });

  test('with the wrong password write nothing', async () => {
    const right = await secretFile('right', `pilot:${PASSWORD}`);
    const wrong = await secretFile('wrong', 'pilot:another');
    const url = (file: string): string =>
      `zookeeper://${server.address}/closed?authFile=${file}&allowInsecureAuth=true`;
    expect(await registering(url(right), instanceOf('web'))).toBe('ok');
    expect(await registering(url(wrong), instanceOf('web'))).toContain('NO_AUTH');
    expect(await registering(url(right), instanceOf('web', 'web-2'))).toBe('ok');
  });

  test('may keep everything to themselves', async () => {
    const file = await secretFile('private', `pilot:${PASSWORD}`);
    const url = `zookeeper://${server.address}/private?authFile=${file}&allowInsecureAuth=true&acl=private`;
    expect(await registering(url, instanceOf('web'))).toBe('ok');
    await using anybody = await connectClient(server.address);
    expect(await failure(anybody.zk.children('/private'))).toContain('NO_AUTH');
  });

  test.each<[string, string, number, string]>([
    ['others can read', `pilot:${PASSWORD}`, 0o644, 'mode 600 or 400'],
    ['is no user and password', PASSWORD, 0o600, 'expected user:password on one line'],
    ['is empty', '', 0o600, 'expected user:password on one line'],
  ])('are not taken from a file that %s, and the error says why', async (_name, text, mode, expected) => {
    const file = await secretFile('bad', text, mode);
    const url = `zookeeper://${server.address}/never?authFile=${file}&allowInsecureAuth=true&sessionTimeout=${T}`;
    const message = await registering(url, instanceOf('web'));
    expect(message).toContain(expected);
    expect(message).toContain('registry?authFile');
  });

  test('are not taken from a file that is missing', async () => {
    const url = `zookeeper://${server.address}/never?authFile=${folder}/none&allowInsecureAuth=true&sessionTimeout=${T}`;
    expect(await registering(url, instanceOf('web'))).toContain('ENOENT');
  });

  test('are read again for the next connection', async () => {
    const file = await secretFile('rotated', `pilot:${PASSWORD}`);
    const url = `zookeeper://${server.address}/rotated?authFile=${file}&allowInsecureAuth=true`;
    const { security } = parseZkUrl(url);
    await using client = await connectClient(server.address, { security, logger });
    await client.zk.create('/of-pilot', Buffer.alloc(0), 'persistent');
    await secretFile('rotated', `fish:${PASSWORD}`);
    const { id } = client.zk;
    await server.restart();
    await vi.waitFor(() => expect(client.zk.state).toBe('connected'), { timeout: 20_000 });
    await client.zk.create('/of-fish', Buffer.alloc(0), 'persistent');
    expect((await client.zk.getAcl('/of-pilot')).acl[0]).toEqual(aclOf('pilot'));
    expect((await client.zk.getAcl('/of-fish')).acl[0]).toEqual(aclOf('fish', PASSWORD));
    expect(client.zk.id).toBe(id);
  });
});

describe('a registry that is not secured', () => {
  const warningsOf = async (params: string): Promise<string[]> => {
    const warnings: string[] = [];
    const warn = (_fields: object, message: string): void => void warnings.push(message);
    const registry = await openWritable(`zookeeper://${server.address}/warned${params}`, {
      logger: { ...logger, warn },
    });
    for (const id of ['a', 'b']) await registry.register(instanceOf('web', id));
    await registry.close();
    return warnings;
  };

  test('says so when something is registered, once', async () => {
    expect(await warningsOf('')).toEqual([
      'everybody may change what is registered here: the URL has no credentials',
    ]);
  });

  test('says so when the password goes out in clear', async () => {
    const file = await secretFile('in-clear', `pilot:${PASSWORD}`);
    expect(await warningsOf(`-not?authFile=${file}&allowInsecureAuth=true`)).toEqual([
      'the password goes to zookeeper in clear, as the URL allows',
    ]);
  });
});

describe('TLS', () => {
  const tlsUrl = (params: string, address = tlsAddress, timeout = T): string =>
    `zookeeper://${address}/tls?tls=true&sessionTimeout=${timeout}&${params}`;

  test('with the right authority connects, by name and by address, and carries digest credentials', async () => {
    const file = await secretFile('over-tls', `pilot:${PASSWORD}`);
    for (const address of [tlsAddress, tlsAddress.replace('localhost', '127.0.0.1')]) {
      const url = tlsUrl(`ca=${fixture('authority')}&authFile=${file}`, address, PATIENT_T);
      expect(await registering(url, instanceOf('web'))).toBe('ok');
    }
    await using anybody = await connectClient(server.address);
    expect((await anybody.zk.getAcl('/tls/web')).acl).toEqual([aclOf('pilot'), WORLD_READ]);
  });

  test('watches trees as plain TCP does', async () => {
    const { security } = parseZkUrl(tlsUrl(`ca=${fixture('authority')}`));
    const address = tlsAddress.replace('localhost', '127.0.0.1');
    await using client = await connectClient(address, { security });
    const events: string[] = [];
    const stop = await client.zk.watchTree('/over-tls', ({ path }) => events.push(path));
    await client.zk.create('/over-tls', Buffer.alloc(300_000), 'persistent');
    expect((await client.zk.get('/over-tls')).data.length).toBe(300_000);
    expect(events).toEqual(['/over-tls']);
    await stop();
  });

  test('proves the client by its certificate, which may be replaced without losing the session', async () => {
    const certificate = join(folder, 'client.pem');
    await copyFile(fixture('client-one'), certificate);
    const url = tlsUrl(`ca=${fixture('authority')}&cert=${certificate}&key=${certificate}&acl=creator`);
    const { security } = parseZkUrl(url);
    const address = tlsAddress.replace('localhost', '127.0.0.1');
    await using client = await connectClient(address, { security, logger });
    await client.zk.create('/of-one', Buffer.alloc(0), 'persistent');
    const { id } = client.zk;
    await copyFile(fixture('client-two'), certificate);
    await server.restart();
    await vi.waitFor(() => expect(client.zk.state).toBe('connected'), { timeout: 20_000 });
    await client.zk.create('/of-two', Buffer.alloc(0), 'persistent');
    expect((await client.zk.getAcl('/of-one')).acl).toContainEqual({
      permissions: ALL,
      scheme: 'x509',
      id: 'CN=one',
    });
    expect((await client.zk.getAcl('/of-two')).acl).toContainEqual({
      permissions: ALL,
      scheme: 'x509',
      id: 'CN=two',
    });
    expect(client.zk.id).toBe(id);
  });

  test.each<[string, string, string, RegExp]>([
    ['of an authority that is not ours', 'strangers-server', 'authority', /unable to verify|unable to get/],
    [
      'of our authority, when another is to be trusted',
      'server',
      'stranger',
      /unable to verify|unable to get/,
    ],
    ['for another name', 'other-name', 'authority', /altnames/],
    ['that is expired', 'expired', 'authority', /certificate has expired/],
    ['that nobody signed', 'self-signed', 'authority', /self-signed certificate/],
  ])('refuses a server with a certificate %s, and tells it nothing', async (_name, certificate, ca, why) => {
    await using trap = await TlsTrap.start(certificate);
    const file = await secretFile('for-nobody', `pilot:${PASSWORD}`);
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const message = await registering(
      tlsUrl(`ca=${fixture(ca)}&authFile=${file}`, trap.address),
      instanceOf('web'),
    );
    expect(message).toMatch(why);
    expect(trap.connections).toBeGreaterThan(0);
    expect(trap.heard.toString('latin1')).toBe('');
  });

  test('reaches a server that demands a client certificate with one, and not without', async () => {
    const [port] = await freePorts(0);
    await using demanding = await startServer('zookeeper', {
      config: [...tlsConfig(port), 'ssl.clientAuth=need'],
      args: TLS_ARGS,
    });
    expect(demanding.pid).toBeDefined();
    const client = fixture('client-one');
    const url = (params: string): string =>
      tlsUrl(`ca=${fixture('authority')}${params}`, `127.0.0.1:${port}`).replace(T, '6s');
    expect(await registering(url(`&cert=${client}&key=${client}`), instanceOf('web'))).toBe('ok');
    expect(await registering(url(''), instanceOf('web'))).toMatch(
      /no session with .*(alert|closed|ECONNRESET)/,
    );
  });

  test('verifies the name it is told to instead of the host', async () => {
    const ca = fixture('authority');
    const wrong = tlsUrl(`ca=${ca}&serverName=elsewhere.example`);
    expect(await registering(wrong, instanceOf('web'))).toMatch(/altnames/);
    await using trap = await TlsTrap.start('other-name');
    const right = tlsUrl(`ca=${ca}&serverName=elsewhere.example`, trap.address);
    expect(await registering(right, instanceOf('web'))).not.toMatch(/altnames/);
    expect(trap.heard.length).toBeGreaterThan(0);
  });

  test('says what is wrong with a server without TLS, with a file, and with a plain connection', async () => {
    await using plain = await FakeServer.start();
    const ca = fixture('authority');
    expect(await registering(tlsUrl(`ca=${ca}`, plain.address), instanceOf('web'))).toMatch(
      /no session with/,
    );
    expect(await registering(tlsUrl(`ca=${folder}/none.pem`), instanceOf('web'))).toContain('ENOENT');
    const url = `zookeeper://${tlsAddress}/tls?sessionTimeout=${T}`;
    expect(await registering(url, instanceOf('web'))).toMatch(/no session with/);
  });
});

describe('a URL', () => {
  const problems = (params: string, authority = 'zk1:2181'): string[] => {
    try {
      parseZkUrl(`zookeeper://${authority}${params}`);
      return [];
    } catch (error) {
      return messageOf(error).length > 0 ? (error as Error).message.split('\n') : [];
    }
  };
  const DIGEST = 'tls=true, because digest sends the password in clear, or allowInsecureAuth=true';

  test.each<[string, readonly string[]]>([
    ['?driver=java', ['expected "wire" or "native", got "java", at registry?driver']],
    ['?tls=yes', ['expected true or false, got "yes", at registry?tls']],
    ['?allowInsecureAuth=1', ['expected true or false, got "1", at registry?allowInsecureAuth']],
    ['?ca=/ca.pem', ['expected tls=true beside it, got "/ca.pem", at registry?ca']],
    ['?serverName=zk', ['expected tls=true beside it, got "zk", at registry?serverName']],
    ['?tls=true&cert=/c', ['expected cert and key together, got one of them, at registry?cert']],
    ['?tls=true&key=/k', ['expected cert and key together, got one of them, at registry?cert']],
    ['?authFile=/secret', [`expected ${DIGEST}, got "/secret", at registry?authFile`]],
    ['?acl=creator', ['expected open where there are no credentials, got "creator", at registry?acl']],
    ['?acl=none', ['expected open, creator or private, got "none", at registry?acl']],
    [
      '?sessionTimeout=10',
      ['expected a duration such as "500ms" or "10s", got "10", at registry?sessionTimeout'],
    ],
    ['?sessionTimeout=1ms', ['expected 1s to 1h, got "1ms", at registry?sessionTimeout']],
    [
      '?tls=true&driver=native',
      ['expected wire for TLS, credentials and ACLs, got "native", at registry?driver'],
    ],
    [
      '?sasl=digest',
      [
        'expected authFile (digest) or a TLS client certificate, because SASL is not implemented, got "digest", at registry?sasl',
      ],
    ],
  ])('with %s is refused', (params, expected) => {
    expect(problems(params)).toEqual(expected);
  });

  test('is told all that is wrong with it at once', () => {
    const wrong = problems(
      '/a//b?sessionTimeout=soon&driver=java&tls=maybe&sasl=gssapi&acl=x&what=1&key=/k',
      'zk1:0',
    );
    expect(wrong.map((line) => line.replace(/^.* at /, '')).toSorted()).toEqual([
      'registry',
      'registry',
      'registry?acl',
      'registry?cert',
      'registry?driver',
      'registry?key',
      'registry?sasl',
      'registry?sessionTimeout',
      'registry?tls',
      'registry?what',
    ]);
  });

  test.each(['/a?driver=canary-5b2f@zk1', '/canary-5b2f@x?tls=yes'])(
    'with an @, which may belong to a password, is not repeated: %s',
    (params) => {
      expect(problems(params).length).toBeGreaterThan(0);
      expect(problems(params).join()).not.toContain(PASSWORD);
    },
  );

  test('is open to everybody only when nothing proves who we are', () => {
    expect(parseZkUrl('zookeeper://zk1').security.acl).toEqual(OPEN.acl);
    const guarded = parseZkUrl('zookeeper://zk1?authFile=/secret&tls=true').security.acl;
    expect(guarded).toEqual([{ permissions: ALL, scheme: 'auth', id: '' }, WORLD_READ]);
  });
});

test('a server that refuses the credentials is told about without them', async () => {
  await using fake = await FakeServer.start({
    onRequest: (connection, request) => connection.answer(request, { error: -115 }),
  });
  const security = { ...OPEN, digest: async () => `pilot:${PASSWORD}` };
  await using session = drive([fake], { security, logger });
  await session.until(() => session.zk.state === 'denied');
  said.push(session.zk.trouble ?? '');
  const error = await session.zk.get('/a').catch((refused: unknown) => refused);
  expect(isZkError(error, 'SESSION_OVER')).toBe(true);
  said.push(messageOf(error));
});

test('nothing that was logged or thrown in all of this holds the password', () => {
  expect(said.length).toBeGreaterThan(20);
  expect(said.filter((line) => line.includes(PASSWORD))).toEqual([]);
});
