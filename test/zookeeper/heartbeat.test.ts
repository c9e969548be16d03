import { describe, expect, test } from 'vitest';
import { judge, LONGEST_ANSWER_MS, type Traffic } from '../../registry/zookeeper/wire/heartbeat.js';
import { Pulse } from '../../registry/zookeeper/wire/pulse.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { StallingClock } from '../helpers/stalling-clock.js';

const T = 9_000;

function traffic(changes: Partial<Traffic> = {}): Traffic {
  return {
    timeoutMs: T,
    lastSentAt: 0,
    lastReceivedAt: 0,
    pinged: false,
    awaitedSince: undefined,
    dueAt: 0,
    ...changes,
  };
}

describe('the verdict on a connection, with a session of nine seconds', () => {
  const dueNow = (now: number, changes: Partial<Traffic> = {}) =>
    judge(traffic({ dueAt: now, ...changes }), now);

  test.each<[string, number, Partial<Traffic>, ReturnType<typeof judge>]>([
    ['just connected', 0, {}, { do: 'wait', untilMs: 3_000 }],
    ['a moment before a third', 2_999, {}, { do: 'wait', untilMs: 3_000 }],
    ['idle for a third', 3_000, {}, { do: 'ping' }],
    ['sending, but hearing nothing for a third', 3_000, { lastSentAt: 2_900 }, { do: 'ping' }],
    ['hearing, but sending nothing for a third', 3_000, { lastReceivedAt: 2_900 }, { do: 'ping' }],
    ['busy both ways', 3_000, { lastSentAt: 2_000, lastReceivedAt: 2_500 }, { do: 'wait', untilMs: 5_000 }],
    ['pinged and waiting', 3_001, { pinged: true, lastSentAt: 3_000 }, { do: 'wait', untilMs: 6_000 }],
    ['a moment before two thirds', 5_999, { pinged: true }, { do: 'wait', untilMs: 6_000 }],
    ['silent for two thirds', 6_000, { pinged: true }, { do: 'hang up' }],
    ['silent for longer, never pinged', 7_000, {}, { do: 'hang up' }],
    [
      'bytes come, but not the answer',
      LONGEST_ANSWER_MS - 1,
      { lastReceivedAt: LONGEST_ANSWER_MS - 1, pinged: true, awaitedSince: 0 },
      { do: 'wait', untilMs: LONGEST_ANSWER_MS },
    ],
    [
      'bytes come, but no answer for too long',
      LONGEST_ANSWER_MS,
      { lastReceivedAt: LONGEST_ANSWER_MS, pinged: true, awaitedSince: 0 },
      { do: 'hang up' },
    ],
  ])('%s', (_name, now, changes, verdict) => {
    expect(dueNow(now, changes)).toEqual(verdict);
  });

  test.each([
    ['on time', 3_000, 'ping'],
    ['a third late, to the millisecond', 6_000, 'hang up'],
    ['later than a third', 6_001, 'verify'],
    ['an hour late', 3_600_000, 'verify'],
  ])('a look that comes %s', (_name, now, verdict) => {
    expect(judge(traffic({ dueAt: 3_000 }), now).do).toBe(verdict);
  });
});

interface Beat {
  readonly clock: VirtualClock;
  readonly pulse: Pulse;
  /** What the pulse did, each with its time. */
  readonly log: string[];
}

/** A pulse whose pings are answered after `answerMs`; never when undefined. */
function beating(answerMs: number | undefined, oldestRequestAt?: () => number | undefined): Beat {
  const clock = new VirtualClock();
  const log: string[] = [];
  const pulse: Pulse = new Pulse({
    clock,
    timeoutMs: T,
    oldestRequestAt: oldestRequestAt ?? (() => undefined),
    ping() {
      log.push(`ping at ${clock.now()}`);
      pulse.sent();
      if (answerMs === undefined) return;
      clock.after(answerMs, () => {
        pulse.received();
        pulse.ponged();
      });
    },
    hangUp: () => log.push(`hang up at ${clock.now()}`),
    doubt: () => log.push(`doubt at ${clock.now()}`),
  });
  return { clock, pulse, log };
}

describe('the pulse of a connection', () => {
  test('an idle session pings every third of its timeout, and nothing else happens', async () => {
    const { clock, pulse, log } = beating(5);
    await clock.advance(10 * 3_000 + 5);
    expect(log).toEqual(Array.from({ length: 10 }, (_, i) => `ping at ${(i + 1) * 3_000}`));
    pulse.stop();
    expect(clock.pending).toBe(0);
  });

  test('a server that falls silent is hung up on after two thirds, once', async () => {
    const { clock, log } = beating(undefined);
    await clock.advance(60_000);
    expect(log).toEqual(['ping at 3000', 'hang up at 6000']);
    expect(clock.pending).toBe(0);
  });

  test('a server that sends bytes without ever answering is hung up on', async () => {
    const { clock, pulse, log } = beating(undefined);
    for (let i = 0; i < 40; i++) {
      await clock.advance(500);
      pulse.received();
    }
    // A third after the connection began it was pinged, and that is what was never answered.
    expect(log).toEqual(['ping at 3000', `hang up at ${3_000 + LONGEST_ANSWER_MS}`]);
  });

  test('a server that answers pings and never a request is hung up on', async () => {
    const { clock, log } = beating(5, () => 1_000);
    await clock.advance(20_000);
    expect(log.at(-1)).toBe(`hang up at ${1_000 + LONGEST_ANSWER_MS}`);
    expect(log.slice(0, -1).every((line) => line.startsWith('ping'))).toBe(true);
  });

  test('a busy session pings no more than an idle one', async () => {
    const { clock, pulse, log } = beating(5);
    for (let i = 0; i < 60; i++) {
      await clock.advance(100);
      pulse.sent();
      pulse.received();
    }
    expect(log).toEqual([]);
  });
});

describe('a process that stood still', () => {
  function paused(): { clock: StallingClock; pulse: Pulse; log: string[] } {
    const clock = new StallingClock();
    const log: string[] = [];
    const pulse: Pulse = new Pulse({
      clock,
      timeoutMs: T,
      oldestRequestAt: () => 0,
      ping: () => log.push('ping'),
      hangUp: () => log.push('hang up'),
      doubt: () => log.push('doubt'),
    });
    return { clock, pulse, log };
  }

  test('doubts and asks when its timer runs', async () => {
    const { clock, log } = paused();
    await clock.timers.advance(1);
    clock.stall(60_000);
    await clock.timers.advance(3_000);
    expect(log).toEqual(['doubt', 'ping']);
  });

  test('doubts and asks when bytes come before its timer runs, once', async () => {
    const { clock, pulse, log } = paused();
    await clock.timers.advance(1);
    clock.stall(60_000);
    pulse.received();
    expect(log).toEqual(['doubt', 'ping']);
    await clock.timers.advance(3_000);
    expect(log).toEqual(['doubt', 'ping']);
  });

  test('believes only the answer to the newest ping', async () => {
    const { clock, pulse, log } = paused();
    await clock.timers.advance(3_000);
    clock.stall(60_000);
    pulse.received();
    expect(log).toEqual(['ping', 'doubt', 'ping']);
    expect([pulse.ponged(), pulse.ponged()]).toEqual([false, true]);
  });

  test('gives the server two thirds from then on, also for requests from before', async () => {
    const { clock, log } = paused();
    await clock.timers.advance(1);
    clock.stall(60_000);
    await clock.timers.advance(2_999 + 5_999);
    expect(log).toEqual(['doubt', 'ping']);
    await clock.timers.advance(1);
    expect(log).toEqual(['doubt', 'ping', 'hang up']);
  });
});
