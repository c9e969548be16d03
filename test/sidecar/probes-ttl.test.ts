import { expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { TtlProbe } from '../../sidecar/probes/ttl.js';
import { ttlConfig } from './support.js';

interface Seen {
  readonly at: number;
  readonly status: string;
  readonly reason: string;
}

/** A probe that is asked again and again, as the prober does, and what it said when. */
function started(overrides: Parameters<typeof ttlConfig>[0] = {}): {
  clock: VirtualClock;
  probe: TtlProbe;
  seen: Seen[];
  stop: AbortController;
} {
  const clock = new VirtualClock();
  const probe = new TtlProbe(ttlConfig(overrides), clock);
  const seen: Seen[] = [];
  const stop = new AbortController();
  const ask = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { status, reason } = await probe.check(stop.signal);
      if (!stop.signal.aborted) seen.push({ at: clock.now(), status, reason });
    }
  };
  void ask();
  return { clock, probe, seen, stop };
}

test('a heartbeat is a result at once', async () => {
  const { clock, probe, seen, stop } = started();
  await clock.advance(1234);
  probe.beat('pass');
  await clock.advance(0);
  probe.beat('warn', 'disk 91 % full');
  await clock.advance(0);
  probe.beat('fail', 'no database');
  await clock.advance(0);
  expect(seen).toEqual([
    { at: 1234, status: 'passing', reason: 'the service says pass' },
    { at: 1234, status: 'warning', reason: 'the service says warn: disk 91 % full' },
    { at: 1234, status: 'failing', reason: 'the service says fail: no database' },
  ]);
  stop.abort();
});

test('each of several heartbeats in one turn counts', async () => {
  const { clock, probe, seen, stop } = started();
  await clock.advance(0);
  probe.beat('pass');
  probe.beat('pass');
  probe.beat('fail');
  await clock.advance(0);
  expect(seen.map(({ status }) => status)).toEqual(['passing', 'passing', 'failing']);
  stop.abort();
});

test('silence past the TTL fails, and again every interval until a heartbeat ends it', async () => {
  const { clock, probe, seen, stop } = started({ ttlMs: 10_000, intervalMs: 1000 });
  await clock.advance(500);
  probe.beat('pass');
  await clock.advance(12_100);
  probe.beat('pass');
  await clock.advance(9000);
  expect(seen.map(({ at, status }) => [at, status])).toEqual([
    [500, 'passing'],
    [10_500, 'failing'],
    [11_500, 'failing'],
    [12_500, 'failing'],
    [12_600, 'passing'],
  ]);
  expect(seen[1]?.reason).toBe('no heartbeat for 10s or more');
  stop.abort();
});

test('a failing heartbeat stands and counts every interval, and becomes silence at the TTL', async () => {
  const { clock, probe, seen, stop } = started({ ttlMs: 2500, intervalMs: 1000 });
  await clock.advance(0);
  probe.beat('fail', 'no database');
  await clock.advance(3000);
  expect(seen.map(({ at, reason }) => [at, reason])).toEqual([
    [0, 'the service says fail: no database'],
    [1000, 'the service says fail: no database'],
    [2000, 'the service says fail: no database'],
    [3000, 'no heartbeat for 2500ms or more'],
  ]);
  stop.abort();
});

test.each([
  ['the TTL', 0, 10_000],
  ['the start grace when that is longer', 15_000, 15_000],
])('the first deadline counts from the start and is %s', async (_name, startGraceMs, firstAt) => {
  const { clock, seen, stop } = started({ ttlMs: 10_000, startGraceMs });
  await clock.advance(firstAt);
  expect(seen.map(({ at, status }) => [at, status])).toEqual([[firstAt, 'failing']]);
  stop.abort();
});

test('a note from the service becomes one bounded printable line', async () => {
  const { clock, probe, seen, stop } = started();
  await clock.advance(0);
  probe.beat('warn', `\u001b[31mred\n${'x'.repeat(5000)}`);
  await clock.advance(0);
  expect(seen[0]?.reason).toMatch(/^the service says warn: \\u001b\[31mred\\u000ax+…$/);
  expect(seen[0]?.reason.length).toBeLessThan(300);
  stop.abort();
});

test('an aborted check leaves no timer behind', async () => {
  const { clock, stop } = started();
  await clock.advance(1);
  stop.abort();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});
