/** Consul on a real agent: what only Consul has, and what the contract suites do not ask. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openConsul } from '../../registry/consul/consul.js';
import { entryId } from '../../registry/consul/entry.js';
import { openToken } from '../../registry/consul/token.js';
import type { Instance, Registry, RegistryState, Snapshot } from '../../registry/contract.js';
import { type SupervisedWatch, supervise } from '../../registry/supervised.js';
import { freshService, instanceOf } from '../../registry/testing/index.js';
import { systemClock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { soon } from '../helpers/soon.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';
import { answer, FakeAgent } from './consul-fake-agent.js';

const context = { clock: systemClock, random: seededRandom(5), logger: silentLogger };

let server: RunningServer;
let service: string;
let closers: (() => Promise<void>)[];

beforeAll(async () => {
  server = await startServer('consul');
});

afterAll(() => server.stop());

beforeEach(() => {
  service = freshService('consul');
  closers = [];
});

afterEach(async () => {
  server.thaw();
  for (const close of closers.reverse()) await close();
});

async function opened(query = '?ttl=3s&wait=2s'): Promise<Registry> {
  const registry = await openConsul(`consul://${server.address}${query}`, context, {});
  closers.push(() => registry.close());
  return registry;
}

function watched(registry: Registry): SupervisedWatch {
  const watch = supervise(registry, service, context);
  closers.push(() => watch.close());
  return watch;
}

const one = (fields: object = {}): Instance => instanceOf({ service, id: 'a', ...fields });
const idsOf = (snapshot: Snapshot | undefined) => snapshot?.instances.map(({ id }) => id);

async function api(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`http://${server.address}/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** What the agent says of our check. */
async function checkOf({ id }: Instance): Promise<{ Status: string } | undefined> {
  const checks = (await api('GET', '/agent/checks')) as Record<string, { Status: string }>;
  return checks[`service:${entryId(service, id)}`];
}

async function within(promise: Promise<unknown>, ms: number): Promise<unknown> {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, ms, 'late'))]);
}

describe('an entry', () => {
  test.each(['passing', 'warning'] as const)(
    'has its true status from the first moment: %s',
    async (status) => {
      const registry = await opened();
      const watch = watched(registry);
      const seen: (string | undefined)[] = [];
      watch.onUpdate((update) => {
        if (update.type === 'snapshot') seen.push(update.snapshot.instances[0]?.status);
      });
      await soon(() => expect(seen).toEqual([undefined]));
      await registry.register(one({ status }));
      expect((await checkOf(one()))?.Status).toBe(status);
      await soon(() => expect(seen.at(-1)).toBe(status));
      expect(new Set(seen)).toEqual(new Set([undefined, status]));
    },
  );

  test('is in the catalog with what other clients of Consul look for', async () => {
    const registry = await opened('?ttl=3s&deregisterAfter=7m');
    await registry.register(
      one({ host: '10.9.8.7', port: 81, weight: 2.4, tags: ['blue'], metadata: { k: 'v' } }),
    );
    await soon(async () => {
      const [found] = (await api('GET', `/catalog/service/${service}?tag=blue`)) as Record<string, unknown>[];
      expect(found).toMatchObject({
        ServiceAddress: '10.9.8.7',
        ServicePort: 81,
        ServiceWeights: { Passing: 2, Warning: 2 },
        ServiceMeta: { k: 'v', 'pilotfish-id': 'a', 'pilotfish-weight': '2.4' },
      });
    });
  });

  test('changes its status in place', async () => {
    const registry = await opened();
    const registration = await registry.register(one());
    const watch = watched(registry);
    await soon(() => expect(watch.snapshot?.instances[0]?.status).toBe('passing'));
    await registration.update(one({ status: 'warning', weight: 9 }));
    await soon(() => expect(watch.snapshot?.instances[0]).toMatchObject({ status: 'warning', weight: 9 }));
    expect(await registration.confirm()).toBe('present');
  });

  test('that went critical is passing at once when it is registered again', async () => {
    const registry = await opened('?ttl=1h');
    const before = await registry.register(one());
    await api('PUT', `/agent/check/fail/service:${entryId(service, 'a')}`);
    expect(await before.confirm()).toBe('changed');
    await registry.register(one());
    expect((await checkOf(one()))?.Status).toBe('passing');
  });

  test('keeps passing as long as it is held, and no longer', async () => {
    const registry = await opened('?ttl=4s');
    const watch = watched(registry);
    const registration = await registry.register(one());
    const until = performance.now() + 5_000;
    await soon(() => expect(idsOf(watch.snapshot)).toEqual(['a']));
    while (performance.now() < until) {
      expect((await checkOf(one()))?.Status).toBe('passing');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await registration.close();
    expect(await checkOf(one())).toBeUndefined();
  });

  test('is apart from one with the same id in another service of the same agent', async () => {
    const registry = await opened();
    const mine = await registry.register(one());
    const other = await registry.register(instanceOf({ service: `${service}-2`, id: 'a', port: 99 }));
    expect([await mine.confirm(), await other.confirm()]).toEqual(['present', 'present']);
  });

  test('is apart from one whose service and id are the same names with the ~ elsewhere', async () => {
    const registry = await opened();
    const instances = [
      one({ id: 'b~c' }),
      instanceOf({ service: `${service}~b`, id: 'c', port: 99, status: 'draining' }),
      instanceOf({ service: `${service}~b~`, id: 'c' }),
    ];
    const registrations = await Promise.all(instances.map((instance) => registry.register(instance)));
    const confirmed = Promise.all(registrations.map((registration) => registration.confirm()));
    expect(await confirmed).toEqual(['present', 'present', 'present']);
    await registrations[0]?.close();
    expect(await registrations[1]?.confirm()).toBe('present');
    await registrations[1]?.update({ ...(instances[1] as Instance), status: 'passing' });
    expect(await registrations[1]?.confirm()).toBe('present');
  });

  test('whose data somebody changed is repaired by an update', async () => {
    const registry = await opened();
    const registration = await registry.register(one());
    const id = entryId(service, 'a');
    const found = (await api('GET', `/agent/service/${id}`)) as { Meta: object };
    const { Meta } = found;
    const check = { CheckID: `service:${id}`, TTL: '3s' };
    await api('PUT', '/agent/service/register', {
      ID: id,
      Name: service,
      Port: 1,
      Address: '1.2.3.4',
      Meta,
      Check: check,
    });
    expect(await registration.confirm()).toBe('changed');
    await registration.update(one());
    expect(await registration.confirm()).toBe('present');
  });
});

describe('a registration that is no longer ours', () => {
  test('stays closed when its close failed, and can be closed again', async () => {
    const registration = await (await opened()).register(one());
    const reason = new Error('no time');
    await expect(registration.close({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(registration.update(one())).rejects.toMatchObject({ code: 'CLOSED' });
    await registration.close();
    expect(await checkOf(one())).toBeUndefined();
  });

  test('is lost as deleted when the check is unknown', async () => {
    const registry = await opened('?ttl=1s');
    const registration = await registry.register(one());
    await api('PUT', `/agent/check/deregister/service:${entryId(service, 'a')}`);
    expect(await registration.lost).toBe('deleted');
  });

  test('is lost as taken when another handle registers the same id, and cannot harm the new entry', async () => {
    const [first, second] = [await opened('?ttl=1s'), await opened('?ttl=1s')];
    const old = await first.register(one());
    const next = await second.register(one({ weight: 5 }));
    expect(await old.lost).toBe('taken');
    expect(await old.confirm()).toBe('absent');
    await expect(old.update(one())).rejects.toMatchObject({ code: 'CONFLICT' });
    await old.close();
    await first.close();
    expect(await next.confirm()).toBe('present');
  });

  test('does not deregister the new entry when it is closed before it knows', async () => {
    const [first, second] = [await opened(), await opened()];
    const old = await first.register(one());
    const next = await second.register(one());
    await old.close();
    expect(await next.confirm()).toBe('present');
  });
});

describe('lists', () => {
  const register = (body: object) => api('PUT', '/agent/service/register', { Name: service, ...body });

  test('hold the entries of other registrars, with the address of the node where they have none', async () => {
    await register({ ID: `${service}-x`, Port: 8001 });
    await register({
      ID: `${service}-y`,
      Port: 8002,
      Address: '10.0.0.5',
      Weights: { Passing: 10, Warning: 3 },
    });
    const watch = watched(await opened());
    await soon(() =>
      expect(watch.snapshot?.instances).toMatchObject([
        { id: `pilotfish-test~${service}-x`, endpoint: { host: '127.0.0.1', port: 8001 }, weight: 1 },
        { id: `pilotfish-test~${service}-y`, endpoint: { host: '10.0.0.5', port: 8002 }, weight: 10 },
      ]),
    );
    await api('PUT', `/agent/service/deregister/${service}-x`);
    await api('PUT', `/agent/service/deregister/${service}-y`);
  });

  test('follow status: the weight of a warning, nothing of a critical one', async () => {
    const check = { CheckID: service, TTL: '1h', Status: 'passing' };
    await register({ ID: service, Port: 8001, Weights: { Passing: 10, Warning: 3 }, Check: check });
    const watch = watched(await opened());
    const weights = () => watch.snapshot?.instances.map(({ weight, status }) => [status, weight]);
    await soon(() => expect(weights()).toEqual([['passing', 10]]));
    await api('PUT', `/agent/check/warn/${service}`);
    await soon(() => expect(weights()).toEqual([['warning', 3]]));
    await api('PUT', `/agent/check/fail/${service}`);
    await soon(() => expect(weights()).toEqual([]));
    await api('PUT', `/agent/service/deregister/${service}`);
  });

  test('come from another datacenter only if there is one', async () => {
    const registry = await opened('?dc=mars');
    await expect(registry.services()).rejects.toThrow(/No path to datacenter/);
  });

  test('of services leave out Consul itself', async () => {
    const registry = await opened();
    await registry.register(one());
    await soon(async () => expect(await registry.services()).toContain(service));
    expect(await registry.services()).not.toContain('consul');
  });
});

describe('maintenance', () => {
  const maintenancePath = () => `/agent/service/maintenance/${entryId(service, 'a')}`;
  const states = (watch: SupervisedWatch) =>
    watch.snapshot?.instances.map(({ status, note }) => [status, note]);

  /** The notes of the maintenance check, as `consul maint` shows them; undefined when there is none. */
  async function reasonAtAgent(): Promise<string | undefined> {
    const checks = (await api('GET', '/agent/checks')) as Record<string, { Notes: string }>;
    return checks[`_service_maintenance:${entryId(service, 'a')}`]?.Notes;
  }

  /** The ids that a client sees which asks for passing entries only, as DNS and consul-template do. */
  const passingOnly = async () => (await api('GET', `/health/service/${service}?passing`)) as object[];

  test.each([
    [{ status: 'draining' }, 'pilotfish draining'],
    [{ status: 'maintenance', note: 'new disk' }, 'pilotfish maintenance: new disk'],
  ] as const)(
    'is how %j is written: foreign clients leave it out, and its check passes',
    async (state, reason) => {
      const registry = await opened('?ttl=3s');
      const registration = await registry.register(one(state));
      expect(await reasonAtAgent()).toBe(reason);
      await new Promise((resolve) => setTimeout(resolve, 3_500));
      expect((await checkOf(one()))?.Status).toBe('passing');
      await soon(async () => expect(await passingOnly()).toEqual([]));
      await registration.update(one());
      expect(await reasonAtAgent()).toBeUndefined();
      await soon(async () => expect(await passingOnly()).toHaveLength(1));
      await registration.update(one(state));
      await registration.close();
      expect(await reasonAtAgent()).toBeUndefined();
    },
  );

  test('comes through a restart of the agent', async () => {
    await using own = await startServer('consul');
    const registry = await openConsul(`consul://${own.address}?ttl=1s`, context, {});
    closers.push(() => registry.close());
    const watch = watched(registry);
    const registration = await registry.register(one({ status: 'maintenance', note: 'new disk' }));
    await own.restart();
    await soon(async () => expect(await registration.confirm()).toBe('present'));
    await soon(() => expect(states(watch)).toEqual([['maintenance', 'new disk']]));
    await registry.close();
  });

  test('of ours that somebody ended is a change, and an update begins it again', async () => {
    const state = { status: 'draining', note: 'v2' };
    const registration = await (await opened()).register(one(state));
    await api('PUT', `${maintenancePath()}?enable=false`);
    expect(await registration.confirm()).toBe('changed');
    await registration.update(one(state));
    expect(await reasonAtAgent()).toBe('pilotfish draining: v2');
    expect(await registration.confirm()).toBe('present');
  });

  test('by an operator is listed with the reason and told once, and nothing that we write ends it', async () => {
    const told: string[] = [];
    const log = (_: object, text: string) => void told.push(text);
    const logger = { ...silentLogger, warn: log, info: log };
    const registry = await openConsul(
      `consul://${server.address}?ttl=1s&wait=2s`,
      { ...context, logger },
      {},
    );
    closers.push(() => registry.close());
    const registration = await registry.register(one());
    const watch = watched(await opened());
    await api('PUT', `${maintenancePath()}?enable=true&reason=mine`);
    await soon(() => expect(states(watch)).toEqual([['maintenance', 'mine']]));
    expect(await registration.confirm()).toBe('present');
    await registration.update(one({ status: 'draining' }));
    await registration.update(one({ weight: 3 }));
    expect([await registration.confirm(), await reasonAtAgent()]).toEqual(['present', 'mine']);
    await (await opened()).register(one());
    expect(await reasonAtAgent()).toBe('mine');
    const ofMaintenance = told.filter((each) => /maintenance/.test(each));
    expect(ofMaintenance).toEqual([expect.stringMatching(/somebody began a maintenance/)]);
  });

  test('by an operator that ended is over for us too, and what we wanted meanwhile is a change', async () => {
    const registration = await (await opened()).register(one());
    await api('PUT', `${maintenancePath()}?enable=true&reason=mine`);
    await registration.update(one({ status: 'draining' }));
    await api('PUT', `${maintenancePath()}?enable=false`);
    expect(await registration.confirm()).toBe('changed');
    await registration.update(registration.instance);
    expect(await reasonAtAgent()).toBe('pilotfish draining');
  });

  test('of the whole node counts for every entry on it, and is no change of ours', async () => {
    await using own = await startServer('consul');
    const registry = await openConsul(`consul://${own.address}?ttl=3s&wait=2s`, context, {});
    closers.push(() => registry.close());
    const watch = watched(registry);
    const registration = await registry.register(one({ status: 'draining', note: 'v2' }));
    const node = (query: string) =>
      fetch(`http://${own.address}/v1/agent/maintenance?${query}`, { method: 'PUT' });
    await node('enable=true&reason=kernel');
    await soon(() => expect(states(watch)).toEqual([['maintenance', 'kernel']]));
    expect(await registration.confirm()).toBe('present');
    await node('enable=false');
    await soon(() => expect(states(watch)).toEqual([['draining', 'v2']]));
    await registry.close();
  });
});

describe('an agent in trouble', () => {
  test('that lost its data makes registrations lost, and they can be registered again', async () => {
    await using own = await startServer('consul');
    const registry = await openConsul(`consul://${own.address}?ttl=1s`, context, {});
    closers.push(() => registry.close());
    const registration = await registry.register(one());
    await own.restart({ wipe: true });
    expect(await registration.lost).toBe('deleted');
    const again = await registry.register(one());
    await soon(async () => expect(await again.confirm()).toBe('present'));
    await registry.close();
  });

  test('that was silent for longer than the TTL gets the entry back by the next heartbeat', async () => {
    const registry = await opened('?ttl=1s&wait=1s');
    const states: RegistryState[] = [];
    registry.onState((state) => states.push(state));
    const registration = await registry.register(one());
    server.freeze();
    await soon(() => expect(states).toContain('suspended'));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    server.thaw();
    await soon(async () => expect(await registration.confirm()).toBe('present'));
    expect(states.slice(0, 2)).toEqual(['connected', 'suspended']);
    await soon(() => expect(states.at(-1)).toBe('connected'));
    expect(await within(registration.lost, 0)).toBe('late');
  });

  test('that was silent while something was registered keeps nothing of the unfinished call', async () => {
    const registry = await opened();
    const watch = watched(registry);
    await soon(() => expect(idsOf(watch.snapshot)).toEqual([]));
    server.freeze();
    const stop = new AbortController();
    const reason = new Error('no more time');
    setTimeout(() => stop.abort(reason), 300);
    await expect(registry.register(one(), { signal: stop.signal })).rejects.toBe(reason);
    server.thaw();
    const gone = async () => expect(await checkOf(one())).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await soon(gone);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await gone();
  });

  test('that is down makes register and ping UNAVAILABLE', async () => {
    const registry = await openConsul('consul://127.0.0.1:1', context, {});
    await expect(registry.register(one())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(registry.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(registry.state).toBe('connecting');
    await registry.close();
  });

  test('does not hold up close for longer than five seconds', async () => {
    const registry = await opened();
    await registry.register(one());
    server.freeze();
    // The agent never answers, so what ends it is the limit.
    expect(await within(registry.close(), 20_000)).not.toBe('late');
    server.thaw();
    await api('PUT', `/agent/service/deregister/${entryId(service, 'a')}`);
  });
});

describe('ACLs', () => {
  const rootToken = 'root-token';

  /** A server where nobody may touch a service without the root token. */
  async function guardedServer(): Promise<RunningServer> {
    const acl = `acl { enabled = true default_policy = "allow" tokens { master = "${rootToken}" } }`;
    const own = await startServer('consul', { args: [`-hcl=${acl}`] });
    const put = async (path: string, body: object): Promise<void> => {
      const headers = { 'x-consul-token': rootToken };
      const answer = await fetch(`http://${own.address}/v1/acl/${path}`, {
        method: 'PUT',
        headers,
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    };
    await soon(() => put('policy', { Name: 'nothing', Rules: 'service_prefix "" { policy = "deny" }' }));
    await put('token/00000000-0000-0000-0000-000000000002', { Policies: [{ Name: 'nothing' }] });
    return own;
  }

  test('deny a registration without a token, and allow it with the token of a file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pilotfish-token-'));
    const tokenFile = join(dir, 'token');
    await writeFile(tokenFile, `${rootToken}\n`, { mode: 0o600 });
    await using own = await guardedServer();
    const url = `consul://${own.address}?ttl=2s`;
    const outside = await openConsul(url, context, {});
    await expect(outside.register(one())).rejects.toMatchObject({ code: 'DENIED' });
    expect(outside.state).toBe('denied');
    const inside = await openConsul(`${url}&tokenFile=${tokenFile}`, context, {});
    const registration = await inside.register(one());
    expect(await registration.confirm()).toBe('present');
    const first = await inside.watch(service)[Symbol.asyncIterator]().next();
    expect(idsOf(first.value as Snapshot)).toEqual(['a']);
    await Promise.all([outside.close(), inside.close()]);
    await rm(dir, { recursive: true });
  });
});

describe('a token that is rotated', () => {
  test('is read again when the old one is refused, and nothing is lost on the way', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pilotfish-token-'));
    const tokenFile = join(dir, 'token');
    let valid = 'first';
    const seen: (string | string[] | undefined)[] = [];
    await using fake = await FakeAgent.start((request, response) => {
      seen.push(request.headers['x-consul-token']);
      if (request.headers['x-consul-token'] === valid) answer(response, '10.0.0.1:8300', 5);
      else response.writeHead(403).end('ACL not found');
    });
    await writeFile(tokenFile, 'first', { mode: 0o600 });
    const registry = await openConsul(`${fake.url}?tokenFile=${tokenFile}`, context, {});
    const states: RegistryState[] = [];
    registry.onState((state) => states.push(state));
    await registry.ping();
    await writeFile(tokenFile, 'second');
    valid = 'second';
    await registry.ping();
    expect([seen, states]).toEqual([['first', 'first', 'second'], ['connected']]);
    valid = 'third';
    await expect(registry.ping()).rejects.toMatchObject({ code: 'DENIED' });
    await rm(tokenFile);
    await expect(registry.ping()).rejects.toMatchObject({ code: 'DENIED' });
    expect([seen.slice(3), registry.state]).toEqual([['second', 'second'], 'denied']);
    await registry.close();
    await rm(dir, { recursive: true });
  });

  test('is read again after ten seconds in any case, and one that cannot be read keeps the last', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pilotfish-token-'));
    const tokenFile = join(dir, 'token');
    await writeFile(tokenFile, 'first', { mode: 0o600 });
    const clock = new VirtualClock();
    const told: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => void told.push(text) };
    const token = await openToken(tokenFile, {}, { clock, logger });
    const now = () => token.use(async (text) => text);
    await writeFile(tokenFile, 'second');
    await clock.advance(9_999);
    expect(await now()).toBe('first');
    await clock.advance(1);
    expect(await now()).toBe('second');
    await chmod(tokenFile, 0o644);
    for (let turn = 0; turn < 2; turn++) {
      await clock.advance(10_000);
      expect(await now()).toBe('second');
    }
    expect(told).toEqual([expect.stringMatching(/could not read the token again/)]);
    await rm(dir, { recursive: true });
  });
});

describe('TLS', () => {
  const fixture = (name: string): string =>
    fileURLToPath(new URL(`../fixtures/zookeeper/${name}.pem`, import.meta.url));
  let own: RunningServer;
  let port: number;

  beforeAll(async () => {
    [port] = await freePorts(0);
    const files = { ca_file: 'authority', cert_file: 'server', key_file: 'server' };
    const hcl = Object.entries(files).map(([name, file]) => `-hcl=${name} = "${fixture(file)}"`);
    const args = [...hcl, '-hcl=verify_incoming_https = true', `-hcl=ports { https = ${port} }`];
    own = await startServer('consul', { args });
  });

  afterAll(() => own.stop());

  /** What became of a registration and a list under that URL: `ok`, or the message. */
  async function using(query: string): Promise<string> {
    const registry = await openConsul(`consul://localhost:${port}?ttl=2s&wait=1s&${query}`, context, {});
    const name = freshService('tls');
    const work = async (): Promise<string> => {
      await registry.register(instanceOf({ service: name, id: 'a' }));
      const first = await registry.watch(name)[Symbol.asyncIterator]().next();
      return idsOf(first.value as Snapshot)?.join() === 'a' ? 'ok' : 'an empty list';
    };
    return work()
      .catch(messageOf)
      .finally(() => registry.close());
  }

  const client = `cert=${fixture('client-one')}&key=${fixture('client-one')}`;
  const trusted = `tls=true&ca=${fixture('authority')}`;

  // Each waits for seconds at its close, because something may have been left at an agent that cannot be reached.
  test.concurrent.each([
    ['everything right', `${trusted}&${client}`, /^ok$/],
    [
      'an authority that did not sign it',
      `tls=true&ca=${fixture('stranger')}&${client}`,
      /certificate|signature/,
    ],
    ['no authority of its own', `tls=true&${client}`, /certificate/],
    ['no certificate of the client', trusted, /alert|certificate|socket|closed|ECONNRESET/],
    ['another server name', `${trusted}&${client}&serverName=elsewhere`, /elsewhere|altnames/],
    ['a file that is missing', `tls=true&ca=/nowhere.pem&${client}`, /ENOENT/],
    ['plain HTTP', '', /failed|HTTP|400/],
  ])('%s', async (_, query, expected) => {
    expect(await using(query)).toMatch(expected);
  });
});

describe('the token', () => {
  const url = 'consul://127.0.0.1:1';

  test.each([
    [0o640, /mode 600 or 400.* got mode 640/],
    [0o604, /got mode 604/],
  ])('in a file of mode %o is refused', async (mode, message) => {
    const dir = await mkdtemp(join(tmpdir(), 'pilotfish-token-'));
    const file = join(dir, 'token');
    await writeFile(file, 'very-secret');
    await chmod(file, mode);
    const failure = openConsul(`${url}?tokenFile=${file}`, context, {});
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.not.toThrow(/very-secret/);
    await expect(openConsul(url, context, { CONSUL_HTTP_TOKEN_FILE: file })).rejects.toThrow(message);
    await rm(dir, { recursive: true });
  });

  test.each([
    ['two lines', 'a\nb', /expected one token/],
    ['nothing', ' \n', /got 0 characters/],
    ['a header of its own', 'a\r\nhost: x', /expected one token/],
  ])('that is %s is refused and not told', async (_, token, message) => {
    const failure = openConsul(url, context, { CONSUL_HTTP_TOKEN: token });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.not.toThrow(/host: x/);
  });

  test('in a file that is missing is refused', async () => {
    await expect(openConsul(`${url}?tokenFile=/nowhere/token`, context, {})).rejects.toThrow(/ENOENT/);
  });
});

describe('the URL', () => {
  test.each([
    ['consul://a,b', /exactly one Consul agent, got 2 hosts/],
    ['consul://a/v1', /no path after the host, got "\/v1"/],
    ['consul://a?ttl=100ms', /expected 1s to 24h, got 100ms, at registry\?ttl/],
    ['consul://a?wait=11m', /expected 100ms to 10m, got 11m/],
    ['consul://a?deregisterAfter=30s', /expected 1m to 720h, got 30s/],
    ['consul://a?dc=a/b', /the name of a datacenter, got "a\/b"/],
    ['consul://a?token=x', /expected one of: dc, ttl, wait, deregisterAfter, tokenFile/],
    ['consul://a?tls=yes', /expected true or false, got "yes", at registry\?tls/],
    ['consul://a?ca=x', /expected tls=true beside it, got "x", at registry\?ca/],
    ['consul://a?tls=true&cert=x', /expected cert and key together/],
    ['consul://user:pass@a', /no user or password/],
  ])('%s is refused', async (url, message) => {
    await expect(openConsul(url, context, {})).rejects.toThrow(message);
  });

  test('tells everything that is wrong at once', async () => {
    await expect(openConsul('consul://a,b/x?ttl=1ms&wait=0s', context, {})).rejects.toThrow(
      /2 hosts[\s\S]*"\/x"[\s\S]*\?ttl[\s\S]*\?wait/,
    );
  });
});
