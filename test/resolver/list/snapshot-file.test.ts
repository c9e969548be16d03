import { spawn } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SnapshotFile } from '../../../resolver/list/snapshot-file.js';
import {
  ageOf,
  decodeSavedList,
  encodeSavedList,
  MAX_SNAPSHOT_BYTES,
  MAX_SNAPSHOT_INSTANCES,
} from '../../../resolver/list/snapshot-format.js';
import { SnapshotKeeper } from '../../../resolver/list/snapshot-keeper.js';
import { CloseStack } from '../../../runtime/close-stack.js';
import { seededRandom } from '../../../runtime/random.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';
import { instance, instances } from '../memory-registry.js';

const OWNER = { service: 'orders', source: ['merge', 'zookeeper://a:2181'] };
const LIST = [
  instance({ id: 'a', host: '10.0.0.1', weight: 3, status: 'draining', note: 'leaves' }),
  instance({ id: 'b', host: '::1', port: 8080 }),
];
const DAY_MS = 86_400_000;

let closers: CloseStack;
let root: string;
let dir: string;

beforeEach(async () => {
  closers = new CloseStack();
  root = await mkdtemp(join(tmpdir(), 'pilotfish-saved-'));
  dir = join(root, 'deep', 'lists');
});

/** Whoever still writes is waited for. */
afterEach(async () => {
  await closers.close();
  await rm(root, { recursive: true, force: true });
});

function keeper(clock = new VirtualClock(), isCurrent = () => true) {
  const log: string[] = [];
  const warn = (fields: object, message: string): void => {
    log.push(`${message}: ${(fields as { cause: string }).cause}`);
  };
  const logger = { debug: warn, info: warn, warn, error: warn };
  const plan = { dir, maxAgeMs: DAY_MS, afterMs: 1_000 };
  const made = new SnapshotKeeper(OWNER, plan, isCurrent, { clock, random: seededRandom(1), logger });
  closers.defer(() => made.close());
  return { keeper: made, clock, log };
}

/** What a new process finds. */
const found = async (clock?: VirtualClock) => (await keeper(clock).keeper.load())?.snapshot.instances;

const saved = async (list = LIST): Promise<string> => {
  const file = new SnapshotFile(dir, OWNER);
  const savedAt = new VirtualClock().wallNow();
  await file.replace(encodeSavedList(OWNER, { instances: list, savedAt }), savedAt);
  return file.path;
};

describe('a saved list', () => {
  const data = encodeSavedList(OWNER, { instances: LIST, savedAt: 1_000 });

  it('is read as it was written', () => {
    expect(decodeSavedList(data, OWNER)).toEqual({ ok: true, value: { instances: LIST, savedAt: 1_000 } });
  });

  it('is refused when it is cut, wherever that is', () => {
    for (let end = 0; end < data.length; end++) {
      expect(decodeSavedList(data.subarray(0, end), OWNER).ok, `cut at ${end}`).toBe(false);
    }
  });

  it('is refused when any byte of it is another', () => {
    for (let at = 0; at < data.length; at++) {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] as number) ^ 1;
      expect(decodeSavedList(changed, OWNER).ok, `changed at ${at}`).toBe(false);
    }
  });

  it('is refused when something stands after it', () => {
    expect(decodeSavedList(Buffer.concat([data, Buffer.from(' ')]), OWNER).ok).toBe(false);
  });

  it.each([
    ['another service', { ...OWNER, service: 'users' }],
    ['other registries', { ...OWNER, source: ['merge', 'zookeeper://b:2181'] }],
    ['another combination of them', { ...OWNER, source: ['prefer', 'zookeeper://a:2181'] }],
  ])('is refused for %s', (_, owner) => {
    expect(decodeSavedList(data, owner).ok).toBe(false);
  });

  const withRight = (body: unknown): Buffer => {
    const encoded = encodeSavedList(OWNER, { instances: [], savedAt: 0 });
    const whole = JSON.parse(encoded.toString('utf8', encoded.indexOf('\n') + 1));
    const spread = { ...whole, ...(body as object) };
    return encodeSavedList(spread, { instances: spread.instances, savedAt: spread.savedAt });
  };

  it.each([
    ['one bad instance among good ones', { instances: [...LIST, { ...LIST[0], weight: -1 }] }, 'weight'],
    ['an instance that is none', { instances: [{ endpoint: 7 }] }, 'id'],
    ['a time that is none', { savedAt: 'now' }, 'savedAt'],
    ['too many', { instances: instances(MAX_SNAPSHOT_INSTANCES + 1) }, 'instances'],
  ])('is refused whole for %s, although its checksum is right', (_, body, path) => {
    const decoded = decodeSavedList(withRight(body), OWNER);
    expect(decoded).toMatchObject({
      ok: false,
      error: expect.stringMatching(`^expected .*, got .*at ${path}`),
    });
  });

  it.each([
    ['now', 0, 0],
    ['as old as may be', DAY_MS, DAY_MS],
    ['older', DAY_MS + 1, undefined],
    ['a little ahead, as clocks differ', -60_000, 0],
    ['further ahead', -60_001, undefined],
  ])('has an age: %s', (_, ageMs, expected) => {
    const age = ageOf({ instances: [], savedAt: 1_000_000 }, 1_000_000 + ageMs, DAY_MS);
    expect(age.ok ? age.value : undefined).toBe(expected);
  });
});

describe('the file', () => {
  it('is for this user alone, in a directory for this user alone, and nothing is left beside it', async () => {
    const path = await saved();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(await readdir(dir)).toHaveLength(1);
    expect(await found()).toEqual(LIST);
  });

  it('is another one for each service and for other registries', () => {
    const owners = [OWNER, { ...OWNER, service: 'users' }, { ...OWNER, source: ['merge', 'etcd://a'] }];
    const paths = owners.map((owner) => new SnapshotFile('/x', owner).path);
    expect(new Set(paths).size).toBe(3);
    const longest = new SnapshotFile('/x', { ...OWNER, service: 'x'.repeat(200) }).path;
    expect(longest.length).toBeLessThan(240);
  });

  it('is none when there is no directory, or nothing in it', async () => {
    const { keeper: made, log } = keeper();
    expect(await made.load()).toBeUndefined();
    await mkdir(dir, { recursive: true, mode: 0o700 });
    expect(await made.load()).toBeUndefined();
    expect([log, made.error]).toEqual([[], undefined]);
  });

  it.each([
    ['cut', (path: string) => truncate(path, 100)],
    ['empty', (path: string) => truncate(path, 0)],
    ['too large', (path: string) => truncate(path, MAX_SNAPSHOT_BYTES + 1)],
    ['a link', (path: string) => rename(path, `${path}.moved`).then(() => symlink(`${path}.moved`, path))],
    ['a directory', (path: string) => rm(path).then(() => mkdir(path))],
    ['writable by others', (path: string) => chmod(path, 0o602)],
    ['in a directory that others can write to', () => chmod(dir, 0o770)],
    ['in a linked directory', () => rename(dir, `${dir}.moved`).then(() => symlink(`${dir}.moved`, dir))],
  ])('is ignored with one warning when it is %s', async (_, spoil) => {
    await spoil(await saved());
    const { keeper: made, log } = keeper();
    expect(await made.load()).toBeUndefined();
    expect(log).toHaveLength(1);
    expect(made.error).toBeDefined();
  });

  it('is ignored, and holds nothing up, when it is a pipe', async () => {
    const path = await saved();
    await rm(path);
    const mkfifo = spawn('mkfifo', ['-m', '600', path]);
    await new Promise((resolve) => mkfifo.once('exit', resolve));
    expect(await found()).toBeUndefined();
  });

  it('is ignored when it is too old, or from the future', async () => {
    await saved();
    const later = new VirtualClock(new VirtualClock().wallNow() + DAY_MS + 1);
    const earlier = new VirtualClock(new VirtualClock().wallNow() - 120_000);
    expect([await found(later), await found(earlier)]).toEqual([undefined, undefined]);
  });

  it('is ignored when it lists nobody: that helps nobody', async () => {
    await saved([]);
    expect(await found()).toBeUndefined();
  });
});

describe('saving', () => {
  const countOf = async (): Promise<number> => (await found())?.length ?? 0;

  it('happens at most once a second, and the last list wins', async () => {
    const { keeper: made, clock } = keeper();
    made.keep(instances(1));
    await clock.advance(0);
    await expect.poll(countOf).toBe(1);
    for (let n = 2; n <= 50; n++) made.keep(instances(n));
    await clock.advance(990);
    expect(await countOf()).toBe(1);
    await clock.advance(10);
    await expect.poll(countOf).toBe(50);
  });

  it('happens at the end for what is not saved yet', async () => {
    const { keeper: made, clock } = keeper();
    made.keep(instances(1));
    await clock.advance(0);
    made.keep(instances(2));
    await made.close();
    expect([await countOf(), clock.pending]).toEqual([2, 0]);
  });

  it.each([
    ['again and again while the registry confirms the list', true, LIST],
    ['not again while nobody confirms it', false, undefined],
  ])('happens %s', async (_, isCurrent, expected) => {
    const { keeper: made, clock } = keeper(new VirtualClock(), () => isCurrent);
    made.keep(LIST);
    for (let hour = 0; hour < 72; hour++) {
      await clock.advance(DAY_MS / 24);
      await expect.poll(() => clock.pending, { interval: 1 }).toBe(1);
    }
    expect(await found(new VirtualClock(clock.wallNow()))).toEqual(expected);
  });

  it('that fails keeps the last good file, is told once, and is tried again', async () => {
    const { keeper: made, clock, log } = keeper();
    const path = await saved();
    const good = await readFile(path);
    await chmod(dir, 0o777);
    made.keep(instances(3));
    await clock.advance(0);
    await expect.poll(() => made.error).toBeDefined();
    made.keep(instances(4));
    await clock.advance(1_000);
    await expect.poll(() => clock.pending).toBe(1);
    expect(await readFile(path)).toEqual(good);
    await chmod(dir, 0o700);
    await clock.advance(90_000);
    await expect.poll(countOf).toBe(4);
    expect([log.length, made.error]).toEqual([1, undefined]);
    expect(log[0]).toMatch(/^cannot save the list: expected one that only its owner can write, got mode 777/);
  });

  it('leaves no unfinished file when it fails', async () => {
    const file = new SnapshotFile(dir, OWNER);
    await file.replace(Buffer.from(''), 0);
    await rm(file.path);
    await mkdir(file.path);
    await expect(file.replace(Buffer.from(''), 0)).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(dir)).toEqual([basename(file.path)]);
  });

  it('refuses a list that no reader would take', async () => {
    const tooMuch = Buffer.alloc(MAX_SNAPSHOT_BYTES + 1);
    const file = new SnapshotFile(dir, OWNER);
    await expect(file.replace(tooMuch, 0)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('removes what a writer left that was killed an hour ago, and nothing of one that writes now', async () => {
    const path = await saved();
    const [old, young] = ['12345678', '87654321'].map((end) =>
      path.replace('orders', '.orders').concat('.', end),
    );
    for (const each of [old, young]) await writeFile(each as string, '');
    const now = (await stat(young as string)).mtimeMs;
    await utimes(old as string, now / 1_000 - 3_700, now / 1_000 - 3_700);
    await new SnapshotFile(dir, OWNER).replace(Buffer.from(''), now);
    expect((await readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([basename(young as string)]);
  });

  it('by many at once never gives a reader half a list', async () => {
    const writers = Array.from({ length: 8 }, (_, n) => {
      const file = new SnapshotFile(dir, OWNER);
      const data = encodeSavedList(OWNER, {
        instances: instances(n + 1),
        savedAt: new VirtualClock().wallNow(),
      });
      return async () => {
        for (let round = 0; round < 20; round++) await file.replace(data, 0);
      };
    });
    await saved();
    let isWriting = true;
    const written = Promise.all(writers.map((write) => write())).finally(() => {
      isWriting = false;
    });
    while (isWriting) expect(await countOf()).toBeGreaterThan(0);
    await written;
    expect(await readdir(dir)).toHaveLength(1);
  });
});
