import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import type { ProbeSchedule } from '../../sidecar/config/config.js';
import type { Lag } from '../../sidecar/loop-lag.js';
import { type ProbeReport, Prober, RECENT_RESULTS } from '../../sidecar/prober.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { type CheckResult, type Probe, resultOf } from '../../sidecar/probes/probe.js';
import { type CheckStatus, failing, passing } from '../../sidecar/probes/verdict.js';
import { httpConfig, schedule, serve, tcpConfig, track, until } from './support.js';

const NO_LAG: Lag = { stalledSince: () => 0 };
const OK = resultOf(passing('fine'), 1);

type Check = (signal: AbortSignal) => Promise<CheckResult>;

function probeOf(check: Check, deadlineMs = 400): Probe {
  return { name: 'probe', type: 'tcp', pace: 'interval', deadlineMs, check };
}

/** A prober under a virtual clock, with the times at which it checked and what it reported. */
function run(check: Check, overrides: Partial<ProbeSchedule> = {}, lag = NO_LAG, seed = 1) {
  const clock = new VirtualClock();
  const startedAt: number[] = [];
  const probe = probeOf((signal) => {
    startedAt.push(clock.now());
    return check(signal);
  });
  const prober = new Prober(probe, schedule(overrides), { clock, random: seededRandom(seed), lag });
  const reports: ProbeReport[] = [];
  prober.onResult((report) => reports.push(report));
  return { clock, prober, startedAt, reports };
}

/** Checks that give the statuses in turn, and the last one for ever. */
function sequence(...statuses: CheckStatus[]): Check {
  return async () => {
    const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) as CheckStatus;
    return resultOf({ status, reason: `it was ${status}` }, 1);
  };
}

describe('the schedule', () => {
  test('is one check per interval, the first at once', async () => {
    const { clock, prober, startedAt } = run(async () => OK, { intervalMs: 1000 });
    await clock.advance(3500);
    expect(startedAt).toEqual([0, 1000, 2000, 3000]);
    await prober.close();
  });

  test.each([1, 2, 3, 4, 5])('stays within its jitter and does not drift (seed %i)', async (seed) => {
    const { clock, prober, startedAt } = run(async () => OK, { intervalMs: 1000, jitter: 0.1 }, NO_LAG, seed);
    await clock.advance(100_000);
    expect(startedAt[0]).toBe(0);
    const offsets = startedAt.map((at, i) => at - i * 1000);
    expect(Math.max(...offsets.map(Math.abs))).toBeLessThanOrEqual(100);
    expect(new Set(offsets.map(Math.round)).size).toBeGreaterThan(20);
    expect(startedAt.length).toBeGreaterThanOrEqual(99);
    await prober.close();
  });

  test('differs between two probers, so that they do not act in step', async () => {
    const [one, two] = [1, 2].map((seed) => run(async () => OK, { jitter: 0.5 }, NO_LAG, seed));
    await one?.clock.advance(1600);
    await two?.clock.advance(1600);
    expect(one?.startedAt[1]).not.toBe(two?.startedAt[1]);
    await one?.prober.close();
    await two?.prober.close();
  });

  test('is the fast one while results are counted, and the usual one once the state is settled', async () => {
    const check = sequence('passing', 'passing', 'passing', 'failing', 'failing', 'failing');
    const pace = { intervalMs: 2000, fastIntervalMs: 500, rise: 2, fall: 2 };
    const { clock, prober, startedAt } = run(check, pace);
    await clock.advance(7500);
    expect(startedAt).toEqual([0, 500, 2500, 4500, 5000, 7000]);
    expect(prober.health.state).toBe('failing');
    await prober.close();
  });

  test('looks again half a second after a check of a hung service timed out, and counts no overrun', async () => {
    const clocks: VirtualClock[] = [];
    const hung: Check = async () => {
      await new Promise<void>((resolve) => clocks[0]?.after(1000, resolve));
      return resultOf(failing('no answer'), 1000);
    };
    const { clock, prober, startedAt } = run(hung, { intervalMs: 2000, fastIntervalMs: 500, fall: 3 });
    clocks.push(clock);
    await clock.advance(3900);
    expect(startedAt).toEqual([0, 1500, 3000]);
    expect(prober.status().overruns).toBe(0);
    const closing = prober.close();
    await clock.advance(1000);
    await closing;
  });

  test('never runs two checks at once: ticks that an overrun covers fall out and are counted', async () => {
    const clocks: VirtualClock[] = [];
    let running = 0;
    let most = 0;
    const slow: Check = async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => clocks[0]?.after(2500, resolve));
      running--;
      return OK;
    };
    const { clock, prober, startedAt } = run(slow, { intervalMs: 1000 });
    clocks.push(clock);
    const overruns: number[] = [];
    prober.onOverrun((ticks) => overruns.push(ticks));
    await clock.advance(8600);
    expect(startedAt).toEqual([0, 3000, 6000]);
    expect(most).toBe(1);
    expect(overruns).toEqual([2, 2, 2]);
    expect(prober.status().overruns).toBe(6);
    const closing = prober.close();
    await clock.advance(2500);
    await closing;
  });
});

describe('a result', () => {
  test('moves the health by rise and fall and reports each transition', async () => {
    const check = sequence('passing', 'passing', 'failing', 'failing');
    const { clock, prober, reports } = run(check, { rise: 2, fall: 2 });
    await clock.advance(3000);
    expect(reports.map(({ health, transition }) => [health.state, transition?.from])).toEqual([
      ['starting', undefined],
      ['passing', 'starting'],
      ['passing', undefined],
      ['failing', 'passing'],
    ]);
    await prober.close();
  });

  test('that fails in the start grace keeps it starting, and counts after it', async () => {
    const { clock, prober, reports } = run(sequence('failing'), { fall: 1, startGraceMs: 2500 });
    await clock.advance(3000);
    expect(reports.map(({ health }) => health.state)).toEqual([
      'starting',
      'starting',
      'starting',
      'failing',
    ]);
    await prober.close();
  });

  test('that arrives after close is dropped, and close waits for the check', async () => {
    const answer = deferred<CheckResult>();
    const { clock, prober, reports } = run(() => answer.promise);
    await clock.advance(10);
    let closed = false;
    const closing = prober.close().then(() => {
      closed = true;
    });
    await clock.advance(10);
    expect(closed).toBe(false);
    answer.resolve(OK);
    await closing;
    expect(reports).toEqual([]);
    expect(prober.health.state).toBe('starting');
    expect(clock.pending).toBe(0);
  });

  test('is kept for the status page, the newest twenty', async () => {
    let n = 0;
    const { clock, prober } = run(async () => resultOf(passing(`check ${++n}`), n));
    await clock.advance(29_000);
    const { recent } = prober.status();
    expect(recent).toHaveLength(RECENT_RESULTS);
    expect(recent.at(-1)).toEqual({
      at: clock.wallNow(),
      status: 'passing',
      reason: 'check 30',
      durationMs: 30,
    });
    expect(recent[0]?.reason).toBe('check 11');
    await prober.close();
  });
});

describe('a stall of the event loop during a check', () => {
  // The deadline of these probes is 400 ms.
  test.each<[CheckStatus, number, CheckStatus]>([
    ['failing', 200, 'failing'],
    ['failing', 201, 'unknown'],
    ['passing', 1000, 'passing'],
    ['warning', 1000, 'warning'],
  ])('turns %s after %i ms into %s', async (status, stalledMs, expected) => {
    const { clock, prober, reports } = run(sequence(status), {}, { stalledSince: () => stalledMs });
    await clock.advance(0);
    expect(reports[0]?.result.status).toBe(expected);
    await prober.close();
  });

  test('is asked for since the check started, and names itself in the reason', async () => {
    const asked: number[] = [];
    const lag: Lag = {
      stalledSince: (time) => {
        asked.push(time);
        return time === 1000 ? 350.4 : 0;
      },
    };
    const { clock, prober, reports } = run(sequence('failing'), { fall: 2 }, lag);
    await clock.advance(2000);
    expect(asked).toEqual([0, 1000, 2000]);
    expect(reports.map(({ result }) => result.reason)).toEqual([
      'it was failing',
      'the sidecar itself stood still for 350 ms during the check',
      'it was failing',
    ]);
    expect(reports.map(({ health }) => health.state)).toEqual(['starting', 'starting', 'failing']);
    await prober.close();
  });
});

test('ten hung probes do not delay an eleventh', async () => {
  const hung = await serve((socket) => socket.resume());
  const well = await serve((socket) => socket.resume());
  const http = await track(createServer((_request, response) => response.end('ok')));
  const context = { clock: systemClock, random: seededRandom(1), lag: NO_LAG };
  const start = async (config: Parameters<typeof createProbe>[0]): Promise<Prober> =>
    new Prober(await createProbe(config, { clock: systemClock }), config, context);
  const hungProbers = await Promise.all(
    Array.from({ length: 10 }, () => start(httpConfig(hung.port, { intervalMs: 50 }))),
  );
  await until(() => hung.open() === 10, 'ten hanging connections');
  const tcp = await start(tcpConfig(well.port, { intervalMs: 50 }));
  const web = await start(httpConfig(http.port, { intervalMs: 50 }));
  for (const prober of [tcp, web]) {
    await until(() => prober.status().recent.length >= 5, 'five checks');
    expect(prober.status().recent.every(({ status }) => status === 'passing')).toBe(true);
  }
  expect(hungProbers.every((prober) => prober.status().recent.length === 0)).toBe(true);
  await Promise.all([...hungProbers, tcp, web].map((prober) => prober.close()));
  await until(() => hung.open() === 0, 'the hanging connections to be destroyed');
  await Promise.all([hung.close(), well.close(), http.close()]);
});

test('a failure is reported with its reason', async () => {
  const { clock, prober, reports } = run(async () => resultOf(failing('no\nanswer'), 1), { fall: 1 });
  await clock.advance(0);
  expect(reports[0]).toEqual({
    probe: 'probe',
    result: { status: 'failing', reason: 'no\\u000aanswer', durationMs: 1 },
    health: { state: 'failing', successes: 0, failures: 0 },
    transition: { from: 'starting', to: 'failing' },
  });
  await prober.close();
});
