/** Rows of docs/edge-cases.md that no other file proves, and that take real processes and real registries. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CloseStack } from '../../runtime/close-stack.js';
import { runCli, startCli } from '../helpers/cli.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { canMakePidNamespace, PID_NAMESPACE } from '../helpers/pid-namespace.js';
import { sharedServer } from '../servers/index.js';
import { serve, track } from '../sidecar/support.js';
import { Caller, eventually, PATIENCE, Sidecar, ToyService, writeConfig } from './world.js';

interface Backend {
  readonly name: string;
  readonly url: (ttl: string) => string;
}

const EVERYWHERE: readonly Backend[] = [
  { name: 'local', url: (ttl) => `local:${join(directory, 'registry')}?ttl=${ttl}&poll=100ms` },
  {
    name: 'zookeeper',
    url: (ttl) => `zookeeper://${sharedServer('zookeeper')}/edge-cases?sessionTimeout=${ttl}`,
  },
  { name: 'consul', url: (ttl) => `consul://${sharedServer('consul')}?ttl=${ttl}` },
  { name: 'etcd', url: (ttl) => `etcd://${sharedServer('etcd')}/edge-cases?ttl=${ttl}` },
];

/** Longer than a busy machine keeps a sidecar from renewing its entry. */
const TTL_MS = 6_000;
/** Longer than a process takes to start again, on the busiest machine. */
const LONG_TTL = '20s';

/** For checks that a busy machine must not fail. */
const UNHURRIED = { interval: '1s', timeout: '900ms', rise: 1, fall: 3 };

/** For a caller of no interest. */
const EMPTY = 'static:/dev/null';

const run = promisify(execFile);

const HALF_A_DAY_MS = 12 * 60 * 60_000;

let directory: string;
let names = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-edge-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** A service, the sidecars that a test starts beside it, and a caller who notes every list. */
class World {
  readonly name: string;
  readonly closers: CloseStack;
  /** As `one:8080`; from the first that is not empty. */
  readonly lists: string[] = [];
  #isListed = false;
  readonly toy: ToyService;
  readonly caller: Caller;

  private constructor(name: string, toy: ToyService, caller: Caller) {
    this.name = name;
    this.toy = toy;
    this.caller = caller;
    this.closers = new CloseStack();
    this.closers.defer(() => toy.die());
    this.closers.defer(() => caller.close());
    caller.service.onChange(({ snapshot }) => {
      const list = snapshot.instances.map(({ id, endpoint }) => `${id}:${endpoint.port}`).join();
      this.#isListed ||= list !== '';
      if (this.#isListed) this.lists.push(list);
    });
  }

  static async at(url: string): Promise<World> {
    const name = `edge-${process.pid}-${++names}`;
    return new World(name, await ToyService.start(), await Caller.of(url, name));
  }

  args(id = 'one'): readonly string[] {
    return ['--service', this.name, '--id', id, '--port', `${this.toy.port}`, '--probe', 'http:/health'];
  }

  async another(): Promise<ToyService> {
    const toy = await ToyService.start();
    this.closers.defer(() => toy.die());
    return toy;
  }

  /** Ends with the test. */
  own(sidecar: Sidecar): Sidecar {
    this.closers.defer(() => sidecar.kill());
    return sidecar;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closers.close();
  }
}

const times = (sidecar: Sidecar, message: string): number =>
  sidecar.log.filter((line) => line.message === message).length;

describe.concurrent('row 7: a sidecar that stood still until its entry had ended', () => {
  test.each(EVERYWHERE)('is listed again soon after it wakes, on $name', async ({ url }) => {
    const registry = url(`${TTL_MS}ms`);
    await using world = await World.at(registry);
    const sidecar = world.own(await Sidecar.start(registry, world.args()));
    await world.caller.sees('one');
    world.lists.length = 0;
    sidecar.signal('SIGSTOP');
    await world.caller.sees();
    sidecar.signal('SIGCONT');
    const wokeAt = performance.now();
    await world.caller.sees('one');
    expect(performance.now() - wokeAt).toBeLessThan(20_000);
    expect(world.lists).toEqual(['', `one:${world.toy.port}`]);
    // What it missed was no failure of the service.
    expect(times(sidecar, 'health changed')).toBe(1);
  });
});

/** Makes the wall clock jump a day to and fro, several times a second; what is monotonic goes on. */
const SHAKEN = `
  const Real = Date;
  let offset = 0;
  setInterval(() => { offset = offset > 0 ? -864e5 : offset < 0 ? 0 : 864e5; }, 130).unref();
  globalThis.Date = class Date extends Real {
    constructor(...args) { super(...(args.length === 0 ? [Real.now() + offset] : args)); }
    static now() { return Real.now() + offset; }
  };`;

describe.concurrent('row 8: a sidecar whose wall clock jumps by days', () => {
  test.each(EVERYWHERE)('keeps its entry, and its time, on $name', async ({ name, url }) => {
    const registry = url(`${TTL_MS}ms`);
    const file = join(directory, `shaken-${name}.mjs`);
    await writeFile(file, SHAKEN);
    await using world = await World.at(registry);
    const env = { NODE_OPTIONS: `--import ${pathToFileURL(file)}` };
    const sidecar = world.own(await Sidecar.start(registry, world.args(), env));
    await world.caller.sees('one');
    await delay(1.5 * TTL_MS);
    expect(world.lists).toEqual([`one:${world.toy.port}`]);
    expect([times(sidecar, 'registered'), times(sidecar, 'health changed')]).toEqual([1, 1]);
    const { text } = await sidecar.get('/v1/status');
    const at = [...text.matchAll(/"at":(\d+)/g)].map(([, ms]) => Number(ms));
    expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(HALF_A_DAY_MS);
    await world.toy.die();
    const diedAt = performance.now();
    await world.caller.sees();
    expect(performance.now() - diedAt).toBeLessThan(20_000);
  });
});

describe.concurrent('row 14: SIGTERM', () => {
  test.each([
    ['at once', () => true],
    ['when it runs', (log: string) => log.includes('the sidecar runs')],
    ['when the service is healthy', (log: string) => log.includes('health changed')],
    ['when it is registered', (log: string) => log.includes('"registered"')],
  ])('%s ends a sidecar that starts, and leaves nothing listed', async (_, isTime) => {
    const url = `local:${join(directory, 'starting')}?ttl=60s&poll=100ms`;
    await using world = await World.at(url);
    const place = ['--registry', url, '--admin', '127.0.0.1:0', '--address', '127.0.0.1'];
    const quick = ['--interval', '100ms', '--timeout', PATIENCE, '--drain-wait', '0s'];
    const cli = startCli(['sidecar', ...place, ...world.args(), ...quick]);
    await cli.until(isTime);
    cli.child.kill('SIGTERM');
    // Undefined where the program had not come so far as to listen to signals.
    expect([0, undefined]).toContain((await cli.ended).code);
    const { stdout } = await runCli(['ls', world.name, '--registry', url, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ instances: [] });
  });

  test.each(['zookeeper', 'consul', 'etcd'])(
    'ends a sidecar whose registration hangs, as %s accepts and never answers',
    async (scheme) => {
      const silent = await serve(() => {});
      await using world = await World.at(EMPTY);
      world.closers.defer(() => silent.close());
      const args = [...world.args(), '--drain-timeout', '3s'];
      const sidecar = world.own(await Sidecar.start(`${scheme}://127.0.0.1:${silent.port}`, args));
      await eventually('healthy', () => times(sidecar, 'health changed') === 1);
      const askedAt = performance.now();
      const { code } = await sidecar.terminate();
      // By itself: no signal killed it.
      expect(code).toBeDefined();
      expect(performance.now() - askedAt).toBeLessThan(30_000);
    },
  );
});

describe.concurrent('row 24: an id that moves to another port', () => {
  test.each(EVERYWHERE)('is changed in place, on $name', async ({ name, url }) => {
    const registry = url(LONG_TTL);
    await using world = await World.at(registry);
    const file = join(directory, `moved-${name}.json`);
    const toys = [world.toy, await world.another(), await world.another()] as const;
    const config = ({ port }: ToyService): object => ({
      ...UNHURRIED,
      services: [{ name: world.name, id: 'one', port, probes: ['http:/health'] }],
    });
    const listedAt = ({ port }: ToyService): Promise<void> =>
      eventually(`listed with ${port}`, () => world.lists.at(-1) === `one:${port}`);
    const first = world.own(await Sidecar.startFrom(file, registry, config(toys[0])));
    await listedAt(toys[0]);
    await writeConfig(file, registry, config(toys[1]));
    first.signal('SIGHUP');
    await listedAt(toys[1]);
    expect(times(first, 'health changed')).toBe(1);
    await first.kill();
    world.own(await Sidecar.startFrom(file, registry, config(toys[2])));
    await listedAt(toys[2]);
    expect(world.lists).toEqual(toys.map(({ port }) => `one:${port}`));
  });
});

describe.runIf(canMakePidNamespace())('row 26: the number of a command that has ended', () => {
  test.concurrent('may be that of a stranger, who is sent nothing', async () => {
    const file = join(directory, 'reuse.mjs');
    const child = new URL('../../dist/sidecar/supervise/child.js', import.meta.url);
    await writeFile(file, REUSE.replace('CHILD', child.href));
    const { stdout } = await run('unshare', [...PID_NAMESPACE, process.execPath, file]);
    expect(JSON.parse(stdout)).toEqual({ sameNumber: true, sentByHandle: null, sentByNumber: 'SIGKILL' });
  });
});

/** In a namespace of its own the next number can be chosen: a command ends, and a stranger gets its number. */
const REUSE = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { writeFileSync } from 'node:fs';
  import { setTimeout as delay } from 'node:timers/promises';
  import { startChild } from 'CHILD';
  const child = await startChild([process.execPath, '-e', ''], process.env);
  await child.ended;
  writeFileSync('/proc/sys/kernel/ns_last_pid', String(child.pid - 1));
  const stranger = spawn('sleep', ['30'], { detached: true, stdio: 'ignore' });
  const ended = once(stranger, 'exit');
  child.signal('SIGKILL');
  child.killGroup();
  const sentByHandle = await Promise.race([ended.then(([, signal]) => signal), delay(300, null)]);
  process.kill(-child.pid, 'SIGKILL');
  const [, sentByNumber] = await ended;
  console.log(JSON.stringify({ sameNumber: stranger.pid === child.pid, sentByHandle, sentByNumber }));`;

test.concurrent('row 36: a registry that refuses our credentials is told apart from one that is away', async () => {
  const refusing = createServer((_request, response) => response.writeHead(403).end('Permission denied'));
  const { port, close } = await track(refusing);
  await using world = await World.at(EMPTY);
  world.closers.defer(close);
  const sidecar = world.own(await Sidecar.start(`consul://127.0.0.1:${port}`, world.args()));
  await eventually('the reason', async () => (await sidecar.get('/readyz')).text.includes('403'));
  expect((await sidecar.status()).registries[0]?.state).toBe('denied');
});

test.concurrent('row 43: an outage of three registries is a few lines for each, however long it lasts', async () => {
  await using world = await World.at(EMPTY);
  const proxies = await Promise.all(
    (['zookeeper', 'consul', 'etcd'] as const).map((name) => FaultProxy.start(sharedServer(name))),
  );
  for (const proxy of proxies) world.closers.defer(() => proxy[Symbol.asyncDispose]());
  const [zookeeper, consul, etcd] = proxies.map(({ address }) => address);
  const urls = [
    `zookeeper://${zookeeper}/edge-cases?sessionTimeout=2s`,
    `consul://${consul}?ttl=2s`,
    `etcd://${etcd}/edge-cases?ttl=2s`,
  ];
  const file = join(directory, 'flood.json');
  const services = [{ name: world.name, id: 'one', port: world.toy.port, probes: ['http:/health'] }];
  const sidecar = world.own(await Sidecar.startFrom(file, urls, { services }));
  await eventually('registered everywhere', async () => {
    const { services } = await sidecar.status();
    return services[0]?.registrations.every(({ registered }) => registered) === true;
  });
  const registered = times(sidecar, 'registered');
  const before = sidecar.log.length;
  for (const proxy of proxies) proxy.refuse();
  await eventually('the last of them has noticed', () => /whole TTL/.test(sidecar.output));
  const noticed = sidecar.log.length;
  await delay(3_000);
  expect(sidecar.log.slice(noticed)).toEqual([]);
  expect(noticed - before).toBeLessThanOrEqual(3 * proxies.length);
  await Promise.all(proxies.map((proxy) => proxy.heal()));
  await eventually('registered again in two', () => times(sidecar, 'registered') >= registered + 2);
  await eventually('connected to all', async () => {
    return (await sidecar.status()).registries.every(({ state }) => state === 'connected');
  });
  expect(sidecar.log.length - noticed).toBeLessThanOrEqual(6 * proxies.length);
});
