/** The registry that is a file: what it reads, and how it follows every way in which a file can change. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canRegister, type RegistryReader, type Snapshot } from '../../registry/contract.js';
import { open } from '../../registry/open.js';
import { jsonErrorOffset, lineAndColumn } from '../../registry/static/json-position.js';
import { type SupervisedWatch, supervise } from '../../registry/supervised.js';
import { systemClock } from '../../runtime/clock.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { soon } from '../helpers/soon.js';

let dir: string;
let file: string;
let closers: (() => Promise<void>)[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilotfish-static-'));
  file = join(dir, 'endpoints.json');
  closers = [];
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  await rm(dir, { recursive: true });
});

/** Without `poll` only the file system's own events can be quick enough for these tests. */
async function opened(path = file, query = '?poll=1h'): Promise<RegistryReader> {
  const registry = await open(`static:${path}${query}`);
  closers.push(() => registry.close());
  return registry;
}

async function watched(path = file, query?: string): Promise<SupervisedWatch> {
  const watch = supervise(await opened(path, query), 'orders', {
    clock: systemClock,
    random: seededRandom(3),
  });
  closers.push(() => watch.close());
  return watch;
}

async function listOf(path = file, service = 'orders'): Promise<Snapshot> {
  for await (const snapshot of (await opened(path)).watch(service)) return snapshot;
  throw new Error('the watch ended');
}

const ids = (watch: SupervisedWatch) => watch.snapshot?.instances.map(({ id }) => id);
const list = (...endpoints: unknown[]) => JSON.stringify({ orders: endpoints });

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

describe('what is in the file', () => {
  test('an endpoint may be host:port or an object with any field of an instance', async () => {
    await writeFile(
      file,
      list('10.0.0.1:8080', '[2001:db8::1]:80', {
        id: 'b',
        host: 'b.internal',
        port: 81,
        weight: 2,
        status: 'warning',
        zone: 'z1',
        version: '3',
        tags: ['t'],
        metadata: { k: 'v' },
      }),
    );
    const { instances, rejected } = await listOf();
    expect(rejected).toEqual([]);
    expect(instances.map(({ id, endpoint }) => [id, endpoint.host, endpoint.port])).toEqual([
      ['10.0.0.1:8080', '10.0.0.1', 8080],
      ['2001:db8::1:80', '2001:db8::1', 80],
      ['b', 'b.internal', 81],
    ]);
    expect(instances[2]).toMatchObject({
      weight: 2,
      status: 'warning',
      zone: 'z1',
      version: '3',
      tags: ['t'],
    });
    expect({ ...instances[2]?.metadata }).toEqual({ k: 'v' });
  });

  test('the same in YAML', async () => {
    const yaml = join(dir, 'endpoints.yaml');
    await writeFile(
      yaml,
      'orders:\n  - 10.0.0.1:8080 # the old one\n  - { host: 10.0.0.2, port: 8080, id: b }\n',
    );
    expect((await listOf(yaml)).instances.map(({ id }) => id)).toEqual(['10.0.0.1:8080', 'b']);
  });

  test('a service that is not in it is an empty list', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    for (const service of ['payments', 'toString', '__proto__']) {
      expect((await listOf(file, service)).instances).toEqual([]);
    }
  });

  test('the services are its keys that are names', async () => {
    await writeFile(file, '{"b": [], "a": [], "no good": [], "../x": []}');
    expect(await (await opened()).services()).toEqual(['a', 'b']);
  });

  test('a path is relative to the working directory', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    expect((await listOf(relative(process.cwd(), file))).instances).toHaveLength(1);
  });

  test.each<[string, unknown, RegExp]>([
    ['no port', '10.0.0.1', /expected host:port .* at orders\[1\]/],
    ['a URL', 'http://10.0.0.1:80', /expected host:port/],
    ['a number', 7, /expected host:port .* got 7/],
    ['nothing', null, /got null/],
    ['a list', ['10.0.0.1:80'], /got a list of 1/],
    [
      'a bad port and a bad weight',
      { host: 'a', port: 0, weight: -1 },
      /orders\[1\]\.port; .*orders\[1\]\.weight/,
    ],
    ['an id that climbs', { host: 'a', port: 1, id: '../x' }, /orders\[1\]\.id/],
    [
      'an id that is taken',
      { host: 'a', port: 1, id: 'good' },
      /expected an id that no other entry has, got "good"/,
    ],
  ])('a poison entry is rejected alone: %s', async (_, poison, reason) => {
    await writeFile(file, list({ id: 'good', host: '10.0.0.1', port: 80 }, poison));
    const { instances, rejected } = await listOf();
    expect(instances.map(({ id }) => id)).toEqual(['good']);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]?.reason).toMatch(reason);
  });

  test.each([
    ['its address', { host: 'a', port: 80, weight: 'x' }, 'a:80'],
    ['its id', { id: 'b', host: 'a', port: 80, weight: 'x' }, 'b'],
    ['nothing', { port: 80 }, undefined],
  ])('a poison entry is told apart by %s', async (_, poison, id) => {
    await writeFile(file, list(poison));
    expect((await listOf()).rejected).toMatchObject([{ id }]);
  });

  test('it cannot be registered in', async () => {
    expect(canRegister(await opened())).toBe(false);
  });
});

describe('a file that cannot be used', () => {
  test.each([
    ['half a file', '{\n  "orders": ["10.0.0.1:80",\n', /expected JSON, got the end of the file, at .*:3:1$/],
    ['a stray comma', '{\n  "orders": [1,]\n}', /got "\]\\u000a}", at .*:2:16$/],
    ['an empty file', '', /got the end of the file, at .*:1:1$/],
    ['a list', '[]', /expected an object of services, got a list of 0/],
    ['a service that is no list', '{"orders": null}', /expected a list of endpoints, got null, at orders in/],
  ])('%s is UNAVAILABLE and says where', async (_, text, message) => {
    await writeFile(file, text);
    const failure = listOf();
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test.each([
    ['not closed', 'orders:\n  - "10.0.0.1:80\n', /expected YAML, got .*, at .*\.yml:\d+:\d+$/],
    ['the same key twice', 'orders: []\norders: []\n', /at .*\.yml:2:1$/],
    ['an explosion of aliases', `a: &a [x,x]\n${bomb()}`, /expected YAML, got Excessive alias count/],
    ['empty', '', /expected an object of services, got null/],
  ])('YAML: %s', async (_, text, message) => {
    const yaml = join(dir, 'endpoints.yml');
    await writeFile(yaml, text);
    await expect(listOf(yaml)).rejects.toThrow(message);
  });

  test('a missing file is UNAVAILABLE, and a ping says so', async () => {
    const registry = await opened();
    await expect(registry.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(registry.ping()).rejects.toThrow(/got ENOENT/);
    expect(registry.state).toBe('connecting');
  });

  test('a directory is UNAVAILABLE', async () => {
    await expect(listOf(dir)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test.each([
    ['endpoints.json', 16],
    ['endpoints.yaml', 1],
  ])('%s over %d MiB is not read', async (name, mebibytes) => {
    const big = join(dir, name);
    await writeFile(big, Buffer.alloc(mebibytes * 1024 * 1024 + 1, ' '));
    await expect(listOf(big)).rejects.toThrow(/expected at most \d+ bytes, got more/);
  });

  function bomb(): string {
    const name = (level: number) => String.fromCharCode(97 + level);
    const line = (level: number) =>
      `${name(level + 1)}: &${name(level + 1)} [${`*${name(level)},`.repeat(9)}x]\n`;
    return [0, 1, 2, 3, 4, 5].map(line).join('');
  }
});

describe('a file that changes', () => {
  test.each<[string, (text: string) => Promise<void>]>([
    ['an edit in place', (text) => writeFile(file, text)],
    ['a rename over it', (text) => replace(file, text)],
    [
      'removal and new creation',
      async (text) => {
        await unlink(file);
        await writeFile(file, text);
      },
    ],
  ])('is followed through %s, again and again', async (_, change) => {
    await writeFile(file, list('10.0.0.1:80'));
    const watch = await watched();
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.1:80']));
    for (const id of ['10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80']) {
      await change(list(id));
      await soon(() => expect(ids(watch)).toEqual([id]));
    }
  });

  test('is followed when a directory of symlinks is swapped, as Kubernetes does it', async () => {
    const publish = async (version: string, text: string): Promise<void> => {
      await mkdir(join(dir, version));
      await writeFile(join(dir, version, 'endpoints.json'), text);
      await symlink(version, join(dir, '..data_tmp'));
      await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    };
    await publish('..v1', list('10.0.0.1:80'));
    await symlink(join('..data', 'endpoints.json'), file);
    const watch = await watched();
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.1:80']));
    await publish('..v2', list('10.0.0.2:80'));
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.2:80']));
  });

  test('behind a symlink to another directory is found by the poll', async () => {
    const elsewhere = join(dir, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'real.json'), list('10.0.0.1:80'));
    await symlink(join(elsewhere, 'real.json'), file);
    const watch = await watched(file, '?poll=50ms');
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.1:80']));
    await writeFile(join(elsewhere, 'real.json'), list('10.0.0.2:80'));
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.2:80']));
  });

  test('and breaks keeps its last list until it is repaired', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    const watch = await watched();
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.1:80']));
    await writeFile(file, list('10.0.0.2:80').slice(0, -3));
    await soon(() => expect(watch.error).toMatchObject({ code: 'UNAVAILABLE' }));
    expect(ids(watch)).toEqual(['10.0.0.1:80']);
    await writeFile(file, list('10.0.0.2:80'));
    await soon(() => expect(ids(watch)).toEqual(['10.0.0.2:80']));
    expect(watch.error).toBeUndefined();
  });

  test('and vanishes keeps its last list, and the state says suspended', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    const registry = await opened();
    const states: string[] = [];
    registry.onState((state) => states.push(state));
    const watch = supervise(registry, 'orders', { clock: systemClock, random: seededRandom(3) });
    closers.push(() => watch.close());
    await soon(() => expect(ids(watch)).toHaveLength(1));
    await unlink(file);
    await soon(() =>
      expect(registry).toMatchObject({ state: 'suspended', trouble: expect.stringMatching(/ENOENT/) }),
    );
    expect(ids(watch)).toEqual(['10.0.0.1:80']);
    await writeFile(file, list('10.0.0.1:80'));
    await soon(() => expect(states).toEqual(['connected', 'suspended', 'connected']));
    expect(registry.trouble).toBeUndefined();
  });

  test('has a higher revision each time, and a file beside it is no change', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    const registry = await opened(file, '?poll=20ms');
    const seen: Snapshot[] = [];
    const stop = new AbortController();
    const ended = (async () => {
      for await (const snapshot of registry.watch('orders', { signal: stop.signal })) seen.push(snapshot);
    })();
    await soon(() => expect(seen).toHaveLength(1));
    await writeFile(join(dir, 'other.json'), 'x');
    await replace(file, list('10.0.0.2:80'));
    await soon(() => expect(seen).toHaveLength(2));
    stop.abort();
    await ended;
    expect(seen[1]?.revision).toBeGreaterThan(seen[0]?.revision as number);
  });
});

describe('the end', () => {
  /** What the kernel watches for this process. */
  async function watches(): Promise<number> {
    const files = await readdir('/proc/self/fdinfo');
    const texts = files.map((fd) => readFile(`/proc/self/fdinfo/${fd}`, 'utf8').catch(() => ''));
    return (await Promise.all(texts)).join('').split('inotify wd:').length - 1;
  }

  test('abort ends the watch at once and leaves no watcher and no timer', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    const clock = new VirtualClock();
    const registry = await open(`static:${file}`, { clock });
    const before = await watches();
    const stop = new AbortController();
    for await (const _ of registry.watch('orders', { signal: stop.signal })) {
      await soon(async () => expect(await watches()).toBe(before + 1));
      setImmediate(() => stop.abort(new Error('enough')));
    }
    expect(clock.pending).toBe(0);
    expect(await watches()).toBe(before);
    await registry.close();
  });

  test('leaving the loop leaves no watcher and no timer', async () => {
    await writeFile(file, list('10.0.0.1:80'));
    const clock = new VirtualClock();
    const registry = await open(`static:${file}`, { clock });
    const before = await watches();
    for await (const _ of registry.watch('orders')) {
      await soon(async () => expect(await watches()).toBe(before + 1));
      break;
    }
    expect(clock.pending).toBe(0);
    expect(await watches()).toBe(before);
    await registry.close();
  });
});

describe('the URL', () => {
  test.each([
    ['static:', /expected the path of a file/],
    ['static:a.json?poll=1ms', /expected at least 10ms/],
    ['static:a.json?ttl=1s', /expected one of: poll/],
  ])('%s is refused', async (url, message) => {
    await expect(open(url)).rejects.toThrow(message);
  });
});

describe('the place where a text stops being JSON', () => {
  test.each([
    ['', 0],
    ['{', 1],
    ['{"a"', 4],
    ['{"a" 1}', 5],
    ['{"a": x}', 6],
    ['{"a": 1 "b"}', 8],
    ['{"a": 1,}', 8],
    ['{a: 1}', 1],
    ['[1, 2', 5],
    ['[1,, 2]', 3],
    ['[1}', 2],
    ['01', 0],
    ['[tru]', 1],
    ['["a\nb"]', 1],
    ['["\\x"]', 1],
    ['{} {}', 3],
    ['{"a": [{"b": "c"}, null, true, -1.5e3]} ,', 40],
  ])('%j: at %d', (text, offset) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  test('is told as line and column, from 1', () => {
    expect([lineAndColumn('', 0), lineAndColumn('a\nbc', 3), lineAndColumn('a\n', 2)]).toEqual([
      '1:1',
      '2:2',
      '2:1',
    ]);
  });
});
