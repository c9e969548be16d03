import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/index.js';
import type { Logger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Announcer } from '../../sidecar/announcer.js';
import type { ProbeSchedule } from '../../sidecar/config/config.js';
import { Neighbours } from '../../sidecar/mass-failure.js';
import { Prober } from '../../sidecar/prober.js';
import { type Probe, resultOf } from '../../sidecar/probes/probe.js';
import { failing, passing, unknown, type Verdict } from '../../sidecar/probes/verdict.js';
import { ProtectedHealth } from '../../sidecar/protected-health.js';
import { type HealthChange, ServiceHealth } from '../../sidecar/service-health.js';
import { ScriptedRegistry } from './scripted-registry.js';
import { schedule } from './support.js';

const WELL = passing('status 200');
const UNWELL = failing('status 500');
const SILENT: Verdict = { status: 'failing', reason: 'took longer than 1000 ms', failure: 'timeout' };
const DEAD: Verdict = { status: 'failing', reason: 'nobody listens', failure: 'nobody-listens' };

let clock: VirtualClock;
let closing: { close(): Promise<void> }[];
let lines: { level: string; message: string; service?: string }[];

const recorder = (level: string) => (fields: object, message: string) => {
  lines.push({ level, message, ...fields });
};
const logger: Logger = {
  debug: recorder('debug'),
  info: recorder('info'),
  warn: recorder('warn'),
  error: recorder('error'),
};

beforeEach(() => {
  clock = new VirtualClock();
  closing = [];
  lines = [];
});

afterEach(async () => {
  for (const each of closing) await each.close();
  expect(clock.pending).toBe(0);
});

interface Actor {
  readonly health: ServiceHealth;
  readonly protection: ProtectedHealth;
  readonly changes: HealthChange[];
  /** Whether it would be listed. */
  readonly listed: () => boolean;
  say(verdict: Verdict): void;
}

interface ActorOptions {
  readonly neighbours?: Neighbours;
  readonly flapHoldDown?: boolean;
  readonly times?: Partial<ProbeSchedule>;
}

function actor(port: number, { neighbours, flapHoldDown = true, times = {} }: ActorOptions = {}): Actor {
  let verdict = WELL;
  const probe: Probe = {
    name: 'http',
    type: 'http',
    pace: 'interval',
    deadlineMs: 400,
    check: async () => resultOf(verdict, 1),
  };
  const instance = instanceOf({ service: `s${port}`, port });
  const context = { clock, random: seededRandom(port), lag: { stalledSince: () => 0 } };
  const config = schedule({ intervalMs: 100, fastIntervalMs: 100, ...times });
  const health = new ServiceHealth(instance.service, [new Prober(probe, config, context)]);
  const protections = { flapHoldDown, neighbours };
  const protection = new ProtectedHealth(health, protections, { clock, logger, instance });
  closing.push(health, { close: async () => protection.close() });
  const changes: HealthChange[] = [];
  protection.onChange((change) => changes.push(change));
  return {
    health,
    protection,
    changes,
    listed: () => protection.state === 'passing' || protection.state === 'warning',
    say: (next) => {
      verdict = next;
    },
  };
}

async function flap(one: Actor, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    one.say(UNWELL);
    await clock.advance(1000);
    one.say(WELL);
    await clock.advance(1000);
  }
}

describe('a service that flaps', () => {
  test('is followed as it is for the first three returns', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 3);
    expect(one.changes.map(({ to }) => to)).toEqual([
      ...['passing', 'failing', 'passing', 'failing', 'passing', 'failing', 'passing'],
    ]);
    expect(lines).toEqual([]);
  });

  test('is held back at the fourth, and is back on its own when the hold ends', async () => {
    const one = actor(1);
    const holds: unknown[] = [];
    one.protection.onHold((reason) => holds.push(reason));
    await clock.advance(1000);
    await flap(one, 4);
    expect(one.health.state).toBe('passing');
    expect(one.protection.state).toBe('failing');
    expect(one.protection.hold).toMatchObject({ reason: 'flapping' });
    expect(one.protection.hold?.endsInMs).toBeGreaterThan(20_000);
    await clock.advance(30_000);
    expect(one.listed()).toBe(true);
    expect(one.protection.hold).toBeUndefined();
    expect(holds).toEqual(['flapping', undefined]);
    expect(lines).toMatchObject([
      { level: 'warn', service: 's1', message: 'it goes up and down: held back from the registries' },
      { level: 'info', service: 's1', message: 'the hold ends: its time is over' },
    ]);
  });

  test('is one log line for a hold, however long the flapping goes on', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 60);
    expect(lines).toHaveLength(1);
    expect(one.changes.length).toBeLessThanOrEqual(8);
  });

  test('is not listed when its hold ends while it is down', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 4);
    one.say(UNWELL);
    await clock.advance(60_000);
    expect(one.protection.hold).toBeUndefined();
    expect(one.listed()).toBe(false);
  });

  test('goes down without a delay, whatever its penalty', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 4);
    await clock.advance(30_000);
    expect(one.listed()).toBe(true);
    one.say(UNWELL);
    await clock.advance(111);
    expect(one.listed()).toBe(false);
  });

  test('is left alone when that is switched off', async () => {
    const one = actor(1, { flapHoldDown: false });
    await clock.advance(1000);
    await flap(one, 30);
    expect(one.changes).toHaveLength(61);
  });

  test('is written at most once in 2 s, over a minute of 1 s up and 1 s down', async () => {
    const registry = new ScriptedRegistry();
    const announcer = new Announcer(registry, 's1', { clock, random: seededRandom(1), logger });
    const one = actor(1);
    closing.push(announcer);
    const instance = instanceOf({ service: 's1' });
    one.protection.onChange(({ cause }) => announcer.announce(one.listed() ? instance : undefined, cause));
    await clock.advance(1000);
    await flap(one, 30);
    const writes = registry.calls.filter((call) => !call.startsWith('confirm'));
    expect(writes.length).toBeLessThanOrEqual(30);
    expect(writes.length).toBeGreaterThanOrEqual(7);
    await clock.advance(300_000);
    expect(announcer.confirmed).toEqual(instance);
  });
});

describe('a reload', () => {
  test('that changes the probes forgets no flapping', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 4);
    const same = actor(2);
    one.protection.follow(same.health, { flapHoldDown: true, neighbours: undefined });
    await clock.advance(1000);
    expect(one.listed()).toBe(false);
    await clock.advance(30_000);
    expect(one.listed()).toBe(true);
  });

  test('that switches the hold-down off ends it', async () => {
    const one = actor(1);
    await clock.advance(1000);
    await flap(one, 4);
    one.protection.follow(one.health, { flapHoldDown: false, neighbours: undefined });
    expect(one.listed()).toBe(true);
    expect(one.changes.at(-1)?.cause).toBe('the configuration changed');
  });

  test('follows the new probes only', async () => {
    const one = actor(1);
    const other = actor(2);
    await clock.advance(1000);
    one.protection.follow(other.health, { flapHoldDown: true, neighbours: undefined });
    one.say(UNWELL);
    await clock.advance(1000);
    expect(one.listed()).toBe(true);
    other.say(UNWELL);
    await clock.advance(1000);
    expect(one.listed()).toBe(false);
  });
});

describe('services that fall silent all at once', () => {
  /** One fall: three checks of 400 ms, 100 ms apart. */
  const FALL_MS = 1500;
  const times = { fall: 3, rise: 2 };
  let all: Actor[];
  const listed = () => all.map((each) => each.listed());
  const sayAll = (verdict: Verdict) => all.forEach((each) => void each.say(verdict));

  beforeEach(async () => {
    const neighbours = new Neighbours();
    all = [1, 2, 3].map((port) => actor(port, { neighbours, times }));
    await clock.advance(1000);
    expect(listed()).toEqual([true, true, true]);
  });

  test('stay listed for one fall more, with an alarm, and then go', async () => {
    sayAll(SILENT);
    await clock.advance(500);
    expect(all.map(({ health }) => health.state)).toEqual(['failing', 'failing', 'failing']);
    expect(listed()).toEqual([true, true, true]);
    expect(all.map(({ protection }) => protection.hold?.reason)).toEqual(Array(3).fill('mass-failure'));
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(3);
    await clock.advance(FALL_MS + 200);
    expect(listed()).toEqual([false, false, false]);
    expect(all.map(({ protection }) => protection.hold)).toEqual(Array(3).fill(undefined));
  });

  test('go at once when that is switched off', async () => {
    sayAll(SILENT);
    await clock.advance(500);
    expect(listed()).toEqual([true, true, true]);
    for (const { protection, health } of all) {
      protection.follow(health, { flapHoldDown: true, neighbours: undefined });
    }
    expect(listed()).toEqual([false, false, false]);
  });

  test('are never taken off when they answer again within that time', async () => {
    sayAll(SILENT);
    await clock.advance(1000);
    sayAll(WELL);
    await clock.advance(60_000);
    expect(all.map(({ changes }) => changes.length)).toEqual([1, 1, 1]);
    expect(listed()).toEqual([true, true, true]);
    expect(lines.filter(({ message }) => message === 'the hold ends: it passes again')).toHaveLength(3);
  });

  test('are not taken off by the end of the time when the first success has been seen', async () => {
    const [one] = all as [Actor];
    sayAll(SILENT);
    await clock.advance(500);
    const left = (): number => one.protection.hold?.endsInMs ?? 0;
    await clock.advance(left() - 90);
    sayAll(WELL);
    await clock.advance(1000);
    expect(listed()).toEqual([true, true, true]);
  });

  test('go one by one: what died for certain meanwhile goes at once', async () => {
    const [one, two, three] = all as [Actor, Actor, Actor];
    sayAll(SILENT);
    await clock.advance(500);
    one.say(DEAD);
    two.say(UNWELL);
    await clock.advance(120);
    expect(listed()).toEqual([false, false, true]);
    expect(three.protection.hold).toBeDefined();
  });

  test('are taken off at once when one of them answers', async () => {
    const [one, two, three] = all as [Actor, Actor, Actor];
    one.say(SILENT);
    two.say(SILENT);
    await clock.advance(500);
    expect(listed()).toEqual([false, false, true]);
    three.say(SILENT);
    await clock.advance(500);
    expect(listed()).toEqual([false, false, false]);
  });

  test('are taken off at once when what came back was an error', async () => {
    sayAll(UNWELL);
    await clock.advance(500);
    expect(listed()).toEqual([false, false, false]);
    expect(lines).toEqual([]);
  });

  test('a check that the sidecar could not make at all counts as silence', async () => {
    const [one, two, three] = all as [Actor, Actor, Actor];
    one.say(unknown('out of file descriptors'));
    two.say(unknown('out of file descriptors'));
    three.say(SILENT);
    await clock.advance(500);
    expect(three.health.state).toBe('failing');
    expect(listed()).toEqual([true, true, true]);
  });

  test('do not count as flapping', async () => {
    for (let i = 0; i < 6; i++) {
      sayAll(SILENT);
      await clock.advance(600);
      sayAll(WELL);
      await clock.advance(600);
    }
    expect(all.map(({ changes }) => changes.length)).toEqual([1, 1, 1]);
  });
});

test('a sidecar with one service never holds it up', async () => {
  const one = actor(1, { neighbours: new Neighbours() });
  await clock.advance(1000);
  one.say(SILENT);
  await clock.advance(120);
  expect(one.listed()).toBe(false);
});

test('switched off, nobody is held up', async () => {
  const two = [actor(1), actor(2)];
  await clock.advance(1000);
  for (const each of two) each.say(SILENT);
  await clock.advance(120);
  expect(two.map((each) => each.listed())).toEqual([false, false]);
});
