import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/index.js';
import { abortable } from '../../runtime/abort.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { below, fraction, seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Announcer } from '../../sidecar/announcer.js';
import { ScriptedRegistry } from './scripted-registry.js';

const instance = instanceOf({ service: 'orders', id: 'a' });
const heavier = { ...instance, weight: 5 };
const away = new PilotfishError('UNAVAILABLE', 'nobody answers');

let clock: VirtualClock;
let registry: ScriptedRegistry;
let announcer: Announcer;
let lines: { level: string; message: string; cause?: string }[];

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
  registry = new ScriptedRegistry();
  lines = [];
  announcer = new Announcer(registry, 'orders', { clock, random: seededRandom(7), logger });
});

afterEach(async () => {
  await announcer.close();
  expect(clock.pending).toBe(0);
});

/** Lets everything that is due now happen. */
const settle = (): Promise<void> => clock.advance(0);

const count = (call: string): number => registry.calls.filter((each) => each === call).length;

/** Makes calls of one kind fail until the returned function is called. */
function failing(kind: string, error: unknown = away): () => void {
  registry.before = async (call) => {
    if (call === kind) throw error;
  };
  return () => {
    registry.before = async () => {};
  };
}

test('writes nothing before something is desired', async () => {
  await clock.advance(60_000);
  expect(registry.calls).toEqual([]);
  expect(announcer.settled).toBe(true);
});

test('registers what is desired, once, and says so with the cause', async () => {
  announcer.announce(instance, 'probe tcp is passing: connected');
  await settle();
  expect(registry.calls).toEqual(['register a']);
  expect(announcer.confirmed).toEqual(instance);
  expect(announcer.settled).toBe(true);
  expect(lines).toMatchObject([
    { level: 'info', message: 'registered', cause: 'probe tcp is passing: connected' },
  ]);
});

test('desiring the same again writes nothing', async () => {
  announcer.announce(instance, 'first');
  await settle();
  announcer.announce({ ...instance }, 'again');
  await settle();
  expect(registry.calls).toEqual(['register a']);
});

test('changed data is updated in place, without a removal', async () => {
  announcer.announce(instance, 'up');
  await settle();
  announcer.announce(heavier, 'weight');
  await settle();
  expect(registry.calls).toEqual(['register a', 'update a']);
  expect(announcer.confirmed).toEqual(heavier);
});

test('deregisters when nothing is desired any more', async () => {
  announcer.announce(instance, 'up');
  await settle();
  announcer.announce(undefined, 'probe tcp is failing: refused');
  await settle();
  expect(registry.calls).toEqual(['register a', 'close a']);
  expect(announcer.confirmed).toBeUndefined();
  expect(lines.at(-1)).toMatchObject({ message: 'deregistered', cause: 'probe tcp is failing: refused' });
});

describe('state moves only after the registry has answered', () => {
  test('a failed register leaves nothing confirmed, and is tried again until it succeeds', async () => {
    const recover = failing('register');
    announcer.announce(instance, 'up');
    await clock.advance(60_000);
    expect(announcer.confirmed).toBeUndefined();
    expect(announcer.settled).toBe(false);
    expect(announcer.error).toBe(away);
    expect(count('register a')).toBeGreaterThan(5);
    recover();
    await clock.advance(10_000);
    expect(announcer.settled).toBe(true);
    expect(announcer.error).toBeUndefined();
  });

  test('an outage is one log line, however many attempts fail', async () => {
    failing('register');
    announcer.announce(instance, 'up');
    await clock.advance(300_000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'warn', cause: 'nobody answers' });
  });

  test('a failed deregister keeps the entry confirmed, and is tried again until it succeeds', async () => {
    announcer.announce(instance, 'up');
    await settle();
    const recover = failing('close');
    announcer.announce(undefined, 'down');
    await clock.advance(30_000);
    expect(announcer.confirmed).toEqual(instance);
    recover();
    await clock.advance(10_000);
    expect(announcer.confirmed).toBeUndefined();
    expect(registry.entries.size).toBe(0);
  });

  test('attempts in a row are spread over at most 10 s each', async () => {
    const attempts: number[] = [];
    registry.before = async () => {
      attempts.push(clock.now());
      throw away;
    };
    announcer.announce(instance, 'up');
    await clock.advance(600_000);
    const waits = attempts.slice(1).map((at, i) => at - (attempts[i] as number));
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(attempts.length).toBeLessThan(300);
  });
});

describe('a service that is well again before its deregistration is done', () => {
  let recover: () => void;

  beforeEach(async () => {
    announcer.announce(instance, 'up');
    await settle();
    recover = failing('close');
    announcer.announce(undefined, 'down');
    await settle();
    await clock.advance(30_000);
  });

  test.each([
    ['as it was', instance],
    ['otherwise', heavier],
  ])('is registered anew, %s: nothing keeps the entry of the old handle alive', async (_, wanted) => {
    announcer.announce(wanted, 'up');
    expect(announcer.settled).toBe(false);
    await clock.advance(1_000);
    expect([count('register a'), count('confirm a'), count('update a')]).toEqual([2, 0, 0]);
    expect(announcer.confirmed).toEqual(wanted);
    expect(registry.handles.at(-1)?.isClosed).toBe(false);
    expect(announcer.settled).toBe(true);
  });

  test('may be listed all the while, and is not settled, until the registry takes it', async () => {
    recover = failing('register');
    announcer.announce(instance, 'up');
    await clock.advance(60_000);
    expect(count('register a')).toBeGreaterThan(5);
    expect([announcer.mayBeListed, announcer.settled]).toEqual([true, false]);
    recover();
    await clock.advance(10_000);
    expect([announcer.mayBeListed, announcer.settled]).toEqual([true, true]);
  });

  test('and fails once more is deregistered by the old handle, which knows the entry', async () => {
    recover = failing('register');
    announcer.announce(instance, 'up');
    await clock.advance(10_000);
    const closes = count('close a');
    announcer.announce(undefined, 'down');
    await settle();
    expect(count('close a')).toBe(closes + 1);
    expect([announcer.mayBeListed, announcer.settled]).toEqual([false, true]);
    expect(registry.entries.size).toBe(0);
  });

  test('waits for another process that has the id by now', async () => {
    recover = failing('register', new PilotfishError('CONFLICT', 'another process keeps taking it'));
    announcer.announce(instance, 'up');
    await clock.advance(9_000);
    expect(count('register a')).toBe(2);
    expect(announcer.inConflict).toBe(true);
  });
});

test('a register in flight is given up when the service fails meanwhile', async () => {
  registry.before = (_call, signal) => abortable(new Promise<never>(() => {}), signal);
  announcer.announce(instance, 'up');
  await settle();
  registry.before = async () => {};
  announcer.announce(undefined, 'down');
  await settle();
  expect(registry.entries.size).toBe(0);
  expect(announcer.settled).toBe(true);
});

describe('a register in flight that was given up and may have left something', () => {
  let gone: Deferred<void>;

  beforeEach(async () => {
    registry.before = (_call, signal) => abortable(new Promise<never>(() => {}), signal);
    announcer.announce(instance, 'up');
    await settle();
    gone = deferred();
    registry.left = gone.promise;
    registry.before = async () => {};
    announcer.announce(undefined, 'down');
    await clock.advance(60_000);
  });

  test('is settled only when that is known to be gone', async () => {
    expect([announcer.settled, announcer.mayBeListed]).toEqual([false, true]);
    gone.resolve();
    await settle();
    expect([announcer.settled, announcer.mayBeListed]).toEqual([true, false]);
    expect(registry.calls).toEqual(['register a']);
  });

  test('does not hold the next register up, which takes it over', async () => {
    announcer.announce(heavier, 'up');
    await settle();
    expect(announcer.confirmed).toEqual(heavier);
    announcer.announce(undefined, 'down');
    await settle();
    expect([announcer.settled, announcer.mayBeListed]).toEqual([true, false]);
  });
});

describe('an entry that is lost', () => {
  beforeEach(async () => {
    announcer.announce(instance, 'up');
    await settle();
    await clock.advance(5_000);
  });

  test('by expiry is back within half a second', async () => {
    registry.lose('expired');
    await settle();
    expect(announcer.confirmed).toBeUndefined();
    await clock.advance(500);
    expect(announcer.confirmed).toEqual(instance);
  });

  test('by a deletion is back at once', async () => {
    registry.lose('deleted');
    await settle();
    expect(announcer.confirmed).toEqual(instance);
  });

  test('by deletions again and again is written once a second, no more', async () => {
    const before = count('register a');
    for (let i = 0; i < 100; i++) {
      if (announcer.confirmed !== undefined) registry.lose('deleted');
      await clock.advance(100);
    }
    expect(count('register a') - before).toBeLessThanOrEqual(11);
    expect(count('register a') - before).toBeGreaterThanOrEqual(9);
  });

  test('by a deletion that is known before the registration is done is not written again before its second is over', async () => {
    const before = count('register a');
    const stop = announcer.onChange(() => {
      if (announcer.confirmed === undefined) return;
      stop();
      registry.lose('deleted');
    });
    registry.lose('deleted');
    await clock.advance(900);
    expect(count('register a') - before).toBe(1);
    await clock.advance(200);
    expect(count('register a') - before).toBe(2);
  });

  test('to another process with the same id is not fought over: one alarm, and a long wait', async () => {
    registry.lose('taken');
    await settle();
    expect(announcer.error).toMatchObject({ code: 'CONFLICT' });
    expect(lines.at(-1)).toMatchObject({ level: 'error', message: 'lost the registration' });
    await clock.advance(9_000);
    expect(count('register a')).toBe(1);
    await clock.advance(30_000);
    expect(count('register a')).toBe(2);
  });

  test('to another process is back at once when that one goes', async () => {
    registry.lose('taken');
    await clock.advance(3_000);
    expect(announcer.inConflict).toBe(true);
    registry.vacate('a');
    await settle();
    expect(announcer.confirmed).toEqual(instance);
    expect(announcer.inConflict).toBe(false);
  });

  test('to another process again and again is taken back less and less often', async () => {
    const takeovers: number[] = [];
    registry.before = async (call) => {
      if (call === 'register') takeovers.push(clock.now());
    };
    for (let second = 0; second < 3_600; second++) {
      if (announcer.confirmed !== undefined) registry.lose('taken');
      await clock.advance(1_000);
    }
    const waits = takeovers.slice(1).map((at, i) => at - (takeovers[i] as number));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10_000);
    expect(takeovers.length).toBeLessThan(50);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(takeovers.length + 1);
  });

  test('to another process that keeps it from being registered is waited for as well', async () => {
    const recover = failing('register', new PilotfishError('CONFLICT', 'another process keeps taking it'));
    registry.lose('expired');
    await clock.advance(9_000);
    expect(count('register a')).toBe(2);
    expect(announcer.inConflict).toBe(true);
    recover();
    await clock.advance(30_000);
    expect(announcer.inConflict).toBe(false);
  });

  test('is reported with its reason', async () => {
    const losses: string[] = [];
    announcer.onLost((reason) => losses.push(reason));
    registry.lose('expired');
    await clock.advance(1_000);
    registry.lose('deleted');
    await settle();
    expect(losses).toEqual(['expired', 'deleted']);
  });

  test('to another process is forgotten at once when the service fails', async () => {
    registry.lose('taken');
    await settle();
    announcer.announce(undefined, 'down');
    await settle();
    expect(announcer.settled).toBe(true);
  });

  test('is not written again when nothing is desired', async () => {
    announcer.announce(undefined, 'down');
    registry.lose('expired');
    await clock.advance(60_000);
    expect(count('register a')).toBe(1);
  });
});

test('a fleet that lost its sessions together comes back at about a thousand registrations a second', async () => {
  const waits: number[] = [];
  for (let seed = 1; seed <= 200; seed++) {
    const own = new ScriptedRegistry();
    const options = { clock, random: seededRandom(seed * 7919), logger, fleetSize: 4_000 };
    const one = new Announcer(own, 'orders', options);
    one.announce(instance, 'up');
    await settle();
    own.lose('expired');
    const lostAt = clock.now();
    await settle();
    while (one.confirmed === undefined) await clock.advance(50);
    waits.push(clock.now() - lostAt);
    await one.close();
  }
  expect(Math.max(...waits)).toBeLessThanOrEqual(4_050);
  expect(waits.filter((wait) => wait <= 1_000).length).toBeGreaterThan(25);
  expect(waits.filter((wait) => wait > 3_000).length).toBeGreaterThan(25);
});

describe('writes in quick succession', () => {
  const weighing = (weight: number) => ({ ...instance, weight });

  test('are five at once and then one a second, the newest only', async () => {
    const delays: number[] = [];
    announcer.onDelay(() => delays.push(clock.now()));
    for (let weight = 1; weight <= 100; weight++) {
      announcer.announce(weighing(weight), 'weight');
      await clock.advance(100);
    }
    const writes = registry.calls.filter((call) => !call.startsWith('confirm')).length;
    expect(writes).toBeGreaterThanOrEqual(13);
    expect(writes).toBeLessThanOrEqual(15);
    expect(delays.length).toBeGreaterThanOrEqual(8);
    expect(delays.length).toBeLessThanOrEqual(10);
    await clock.advance(1_000);
    expect(announcer.confirmed).toEqual(weighing(100));
    expect(announcer.settled).toBe(true);
  });

  test('never delay a deregistration', async () => {
    for (let weight = 1; weight <= 20; weight++) {
      announcer.announce(weighing(weight), 'weight');
      await settle();
    }
    announcer.announce(undefined, 'down');
    await settle();
    expect(announcer.confirmed).toBeUndefined();
    expect(registry.entries.size).toBe(0);
  });

  test('of a service that goes up and down every 200 ms are bounded, and end where they should', async () => {
    for (let i = 0; i < 300; i++) {
      announcer.announce(i % 2 === 0 ? instance : undefined, 'flapping');
      await clock.advance(200);
    }
    const writes = registry.calls.filter((call) => !call.startsWith('confirm')).length;
    expect(writes).toBeLessThanOrEqual(66);
    await clock.advance(5_000);
    expect(registry.entries.size).toBe(0);
    expect(announcer.settled).toBe(true);
  });
});

describe('the periodic read-back', () => {
  beforeEach(async () => {
    announcer.announce(instance, 'up');
    await settle();
  });

  test('confirms every 30 s, give or take 30 %, and writes nothing', async () => {
    await clock.advance(600_000);
    expect(count('confirm a')).toBeGreaterThanOrEqual(15);
    expect(count('confirm a')).toBeLessThanOrEqual(29);
    expect(count('register a')).toBe(1);
    expect(announcer.confirmedAt).toBeGreaterThan(clock.now() - 40_000);
  });

  test('repairs an entry that somebody changed', async () => {
    registry.confirmation = 'changed';
    await clock.advance(40_000);
    expect(count('update a')).toBe(1);
  });

  test('tells a loss that nothing else has noticed, and goes on telling it', async () => {
    registry.confirmation = 'absent';
    registry.before = async (call) => {
      if (call === 'confirm') registry.lose('taken');
    };
    await clock.advance(39_000);
    expect(announcer.inConflict).toBe(true);
    expect(count('register a')).toBe(1);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('that finds no entry registers it anew, also where nothing has told of the loss', async () => {
    registry.confirmation = 'absent';
    registry.before = async (call) => {
      if (call === 'register') registry.confirmation = 'present';
    };
    await clock.advance(40_000);
    expect(count('register a')).toBe(2);
    expect(announcer.settled).toBe(true);
    expect(lines).toContainEqual(expect.objectContaining({ message: 'lost the registration' }));
  });

  test('that finds a loss after an outage ends the outage: the next failures are soon tried again, and told', async () => {
    failing('confirm');
    await clock.advance(120_000);
    registry.confirmation = 'absent';
    let found = false;
    registry.before = async (call) => {
      if (call === 'confirm') {
        found = true;
        registry.lose('deleted');
      } else throw away;
    };
    while (!found) await clock.advance(100);
    const told = lines.length;
    const before = count('register a');
    await clock.advance(1_000);
    expect(count('register a') - before).toBeGreaterThanOrEqual(2);
    expect(lines.slice(told - 1)).toContainEqual(expect.objectContaining({ cause: away.message }));
  });

  test('that fails loses nothing', async () => {
    failing('confirm');
    await clock.advance(120_000);
    expect(announcer.confirmed).toEqual(instance);
    expect(count('register a')).toBe(1);
  });
});

test('untilSettled resolves when the registry holds what is desired, and rejects when it is aborted', async () => {
  failing('register');
  announcer.announce(instance, 'up');
  const abort = new AbortController();
  const waiting = announcer.untilSettled(abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  registry.before = async () => {};
  const settled = announcer.untilSettled(new AbortController().signal);
  await clock.advance(10_000);
  await settled;
});

test.each(Array.from({ length: 100 }, (_, i) => i + 1))(
  'whatever fails, hangs, is lost or changes meanwhile, it ends where it should (seed %i)',
  async (seed) => {
    const random = seededRandom(seed * 7919);
    registry.before = async (call, signal) => {
      const chance = fraction(random);
      if (chance < 0.3) throw away;
      if (chance < 0.4 && call !== 'close') await abortable(new Promise<never>(() => {}), signal);
    };
    for (let event = 0; event < 40; event++) {
      const kind = below(random, 4);
      if (kind === 0) announcer.announce(undefined, 'down');
      if (kind === 1) announcer.announce(below(random, 2) === 0 ? instance : heavier, 'up');
      if (kind === 2 && announcer.confirmed !== undefined) registry.lose('expired');
      await clock.advance(below(random, 20_000));
    }
    registry.before = async () => {};
    announcer.announce(heavier, 'one more');
    announcer.announce(undefined, 'down');
    announcer.announce(instance, 'up');
    await clock.advance(20_000);
    expect([...registry.entries.values()]).toEqual([instance]);
    expect(registry.handles.at(-1)?.isClosed).toBe(false);
    expect(announcer.settled).toBe(true);
    announcer.announce(undefined, 'down');
    await clock.advance(20_000);
    expect(registry.entries.size).toBe(0);
  },
);
