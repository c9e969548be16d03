/** Rows of docs/edge-cases.md that no other file proves, as far as they need no process of their own. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { encodeInstance, MAX_ENTRY_BYTES } from '../../registry/formats/pilotfish.js';
import { MAX_NAME_LENGTH } from '../../registry/instance.js';
import type { LocalFiles } from '../../registry/local/files.js';
import { Lease } from '../../registry/local/lease.js';
import { instanceOf } from '../../registry/testing/index.js';
import { ZkError, type ZkSession, type ZkStat } from '../../registry/zookeeper/driver.js';
import { claim } from '../../registry/zookeeper/entry.js';
import type { Clock } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Announcer } from '../../sidecar/announcer.js';
import { LoopLag } from '../../sidecar/loop-lag.js';
import { planServices } from '../../sidecar/plan.js';
import { Prober } from '../../sidecar/prober.js';
import { type Probe, resultOf } from '../../sidecar/probes/probe.js';
import { TtlProbe } from '../../sidecar/probes/ttl.js';
import { failing, passing } from '../../sidecar/probes/verdict.js';
import { ProtectedHealth } from '../../sidecar/protected-health.js';
import { ServiceHealth } from '../../sidecar/service-health.js';
import { startChild } from '../../sidecar/supervise/child.js';
import { load } from '../helpers/config.js';
import { problemsOf } from '../helpers/problems.js';
import { ScriptedRegistry } from './scripted-registry.js';
import { schedule, ttlConfig } from './support.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

interface Line {
  readonly level: string;
  readonly message: string;
}

function recorder(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

/** A ZooKeeper with one node, and every operation that was asked of it. */
class OneNode implements Pick<ZkSession, 'id' | 'exists' | 'create' | 'set' | 'delete'> {
  readonly id = 'mine';
  readonly operations: string[] = [];
  owner: string | undefined;
  /** Called before each operation. */
  meanwhile = (_operation: string): void => {};

  async exists(path: string): Promise<ZkStat | undefined> {
    this.#begin('exists', path);
    return this.owner === undefined
      ? undefined
      : { czxid: 1, mzxid: 1, pzxid: 1, version: 0, owner: this.owner };
  }

  async create(path: string): Promise<{ path: string }> {
    this.#begin('create', path);
    if (this.owner !== undefined) throw new ZkError('NODE_EXISTS', 'create', path);
    this.owner = this.id;
    return { path };
  }

  async replace(path: string): Promise<void> {
    this.#begin('replace', path);
    if (this.owner === undefined) throw new ZkError('NO_NODE', 'replace', path);
    this.owner = this.id;
  }

  async set(path: string): Promise<ZkStat> {
    this.#begin('set', path);
    return (await this.exists(path)) as ZkStat;
  }

  async delete(): Promise<void> {}

  #begin(operation: string, path: string): void {
    this.meanwhile(operation);
    this.operations.push(`${operation} ${path}`);
  }

  async claimed(): Promise<ZkStat> {
    return claim(this as unknown as ZkSession, '/orders/one', Buffer.from('{}'));
  }
}

describe('row 6: a node that an expired session of ours has left', () => {
  test('is replaced while the server still shows it', async () => {
    const node = new OneNode();
    node.owner = 'older';
    expect(await node.claimed()).toMatchObject({ owner: 'mine' });
    expect(node.operations).toContain('replace /orders/one');
    expect(node.operations.filter((each) => each.startsWith('set'))).toEqual([]);
  });

  test('is created when the server removes it between the look and the replacement', async () => {
    const node = new OneNode();
    node.owner = 'older';
    node.meanwhile = (operation) => {
      if (operation === 'replace') node.owner = undefined;
    };
    expect(await node.claimed()).toMatchObject({ owner: 'mine' });
    expect(node.operations.at(-2)).toBe('create /orders/one');
  });
});

/** Monotonic as any other, with a wall clock that somebody sets. */
class SettableClock implements Clock {
  readonly virtual = new VirtualClock();
  #setByMs = 0;

  now(): number {
    return this.virtual.now();
  }

  wallNow(): number {
    return this.virtual.wallNow() + this.#setByMs;
  }

  after(ms: number, callback: () => void): () => void {
    return this.virtual.after(ms, callback);
  }

  set(byMs: number): void {
    this.#setByMs += byMs;
  }
}

/** Three minutes of a service: well, hung, flapping, without heartbeats, without a session. Everything, and when. */
async function lifeWith(jumpsMs: readonly number[]): Promise<{
  readonly happened: readonly string[];
  readonly shownAt: readonly number[];
}> {
  const clock = new SettableClock();
  const { logger } = recorder();
  const instance = instanceOf({ service: 'orders' });
  const random = seededRandom(3);
  const lag = new LoopLag(clock);
  const context = { clock, random, lag };
  const happened: string[] = [];
  const note = (text: string): void => void happened.push(`${clock.now()} ${text}`);
  const state = { isWell: true };
  const check = async () => resultOf(state.isWell ? passing('200') : failing('500'), 1);
  const http: Probe = { name: 'http', type: 'http', pace: 'interval', deadlineMs: 900, check };
  const beats = new TtlProbe(ttlConfig({ ttlMs: 5_000 }), clock);
  const times = { rise: 2, fall: 2, jitter: 0.1 };
  const probers = [
    new Prober(http, schedule(times), context),
    new Prober(beats, ttlConfig({ ttlMs: 5_000 }), context),
  ];
  const health = new ServiceHealth('orders', probers);
  const protections = { flapHoldDown: true, neighbours: undefined };
  const shown = new ProtectedHealth(health, protections, { clock, logger, instance });
  const registry = new ScriptedRegistry();
  registry.before = async (call) => note(call);
  const announcer = new Announcer(registry, 'orders', { clock, random, logger });
  shown.onChange(({ to, cause }) => {
    note(`${to}: ${cause}`);
    announcer.announce(to === 'passing' ? instance : undefined, cause);
  });
  for (let second = 0; second < 180; second++) {
    clock.set(jumpsMs[second % jumpsMs.length] as number);
    state.isWell = second < 20 || (second >= 30 && (second < 60 || second > 90 || second % 6 < 3));
    if (second < 130 || second > 145) beats.beat('pass');
    if (second === 160) registry.lose('expired');
    await clock.virtual.advance(1_000);
  }
  const shownAt = probers[0]?.status().recent.map(({ at }) => at) ?? [];
  shown.close();
  await Promise.all([health.close(), announcer.close()]);
  lag.close();
  return { happened, shownAt };
}

const isRising = (times: readonly number[]): boolean =>
  times.every((time, i) => i === 0 || time >= (times[i - 1] as number));

test('row 8: a wall clock that jumps moves no check, no limit, no hold and no write by a millisecond', async () => {
  const usual = await lifeWith([0]);
  for (const what of ['register', 'close', 'confirm', 'failing: ', 'passing: ']) {
    expect(usual.happened.some((each) => each.includes(what))).toBe(true);
  }
  const jumped = await lifeWith([DAY_MS, -3_600_000, 17, -2 * DAY_MS, 0, 3_650 * DAY_MS, -3_649 * DAY_MS]);
  expect(jumped.happened).toEqual(usual.happened);
  expect([isRising(usual.shownAt), isRising(jumped.shownAt)]).toEqual([true, false]);
});

describe('row 26: a command that has ended and was reaped', () => {
  afterEach(() => vi.restoreAllMocks());

  test('is sent nothing: its number may be that of a stranger by now', async () => {
    const child = await startChild([process.execPath, '-e', ''], process.env);
    await child.ended;
    const kill = vi.spyOn(process, 'kill');
    child.signal('SIGTERM');
    child.signal('SIGKILL');
    child.killGroup();
    expect(kill).not.toHaveBeenCalled();
  });
});

test('row 37: to register again is two looks and one write, and asks nothing of the parents', async () => {
  const node = new OneNode();
  await node.claimed();
  expect(node.operations).toEqual(['exists /orders/one', 'create /orders/one', 'exists /orders/one']);
});

describe('row 43: an outage of an hour', () => {
  const ALTERNATING = ['nobody answers', 'registering a took longer than 10000 ms'];

  test.each([
    ['a line for each of its causes', (attempt: number) => ALTERNATING[attempt % 2] as string, 2],
    ['no more than five lines', (attempt: number) => `attempt ${attempt} failed`, 5],
  ])('is %s, and a counter for each attempt', async (_, cause, told) => {
    const clock = new VirtualClock();
    const { logger, lines } = recorder();
    const registry = new ScriptedRegistry();
    let attempts = 0;
    registry.before = async () => {
      throw new PilotfishError('UNAVAILABLE', cause(attempts++));
    };
    const announcer = new Announcer(registry, 'orders', { clock, random: seededRandom(7), logger });
    let errors = 0;
    announcer.onOperation(({ result }) => {
      if (result === 'error') errors++;
    });
    announcer.announce(instanceOf({ service: 'orders' }), 'up');
    await clock.advance(60 * MINUTE_MS);
    expect(errors).toBe(attempts);
    expect(attempts).toBeGreaterThan(500);
    expect(lines).toHaveLength(told);
    await announcer.close();
  });

  test('is one line of a local lease that cannot be renewed, and one more for the next', async () => {
    const clock = new VirtualClock();
    const { logger, lines } = recorder();
    const disk = { isFull: false };
    const files: Pick<LocalFiles, 'writeLease' | 'removeLease'> = {
      writeLease: async () => {
        if (disk.isFull) throw new Error('ENOSPC: no space left on device');
      },
      removeLease: async () => {},
    };
    const hostTime = { now: () => clock.now(), boot: 'this' };
    const options = { files: files as LocalFiles, ttlMs: 15_000, clock, hostTime, logger };
    const lease = await Lease.open(options);
    const told: number[] = [];
    for (const isFull of [true, false, true]) {
      disk.isFull = isFull;
      await clock.advance(60 * MINUTE_MS);
      told.push(lines.length);
    }
    expect(told).toEqual([1, 1, 2]);
    await lease.close();
  });
});

describe('row 44: data that no registry should hold', () => {
  const texts = (count: number, length: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, 'x'.repeat(length)]));
  const plan = async (metadata: object) => {
    const service = { name: 'orders', port: 8080, id: 'a', address: '10.0.0.1', metadata };
    const { config } = await load({ file: { services: [service] } });
    return planServices(config, { clock: new VirtualClock() });
  };

  test('is refused at the start, before anything is registered', async () => {
    const [problem] = await problemsOf(plan(texts(20, 1_000)));
    expect(problem).toMatch(/^expected at most 16384 bytes, .*, got \d{5}, at services\[0\]\.entry$/);
  });

  test('leaves room for the longest note that an order may add', async () => {
    const [{ instance } = { instance: undefined }] = await plan(texts(12, 1_000));
    const noted = { ...instance, status: 'maintenance' as const, note: '…'.repeat(1_024) };
    expect(encodeInstance(noted as Parameters<typeof encodeInstance>[0]).byteLength).toBeLessThanOrEqual(
      MAX_ENTRY_BYTES,
    );
    await expect(plan(texts(14, 1_000))).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('is refused by whatever writes it', () => {
    const heavy = instanceOf({ service: 'orders', metadata: texts(20, 1_000) });
    expect(() => encodeInstance(heavy)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }));
  });

  test('is not in names, which are short', () => {
    const longest = instanceOf({ service: 's'.repeat(MAX_NAME_LENGTH), id: 'i'.repeat(MAX_NAME_LENGTH) });
    // A list of children as ZooKeeper sends it, 4 bytes and the name each, holds 20,000 of the longest in 4 MB.
    expect(20_000 * (4 + longest.id.length)).toBeLessThan(4 * 1024 * 1024);
    expect(() => instanceOf({ service: 'orders', id: 'i'.repeat(MAX_NAME_LENGTH + 1) })).toThrow();
  });
});
