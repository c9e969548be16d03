import { expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { seededRandom } from '../../runtime/random.js';
import { LAG_TICK_MS, LoopLag } from '../../sidecar/loop-lag.js';
import { type ProbeReport, Prober } from '../../sidecar/prober.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { StallingClock } from '../helpers/stalling-clock.js';
import { httpConfig, serve, until } from './support.js';

test('a quiet loop has no lag', async () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  await clock.timers.advance(10_000);
  expect(lag.stalledSince(0)).toBe(0);
  expect(lag.maxSince(0)).toBe(0);
  lag.close();
});

test('a stall counts once the tick is late, and before the tick has run', async () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  clock.stall(LAG_TICK_MS + 300);
  expect(lag.stalledSince(0)).toBe(300);
  await clock.timers.advance(LAG_TICK_MS);
  expect(lag.stalledSince(0)).toBe(LAG_TICK_MS + 300);
  lag.close();
});

test('many short stalls add up, and the longest one is known', async () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  for (const ms of [80, 95, 60]) {
    clock.stall(ms);
    await clock.timers.advance(LAG_TICK_MS);
  }
  expect(lag.stalledSince(0)).toBe(80 + 95 + 60);
  expect(lag.maxSince(0)).toBe(95);
  lag.close();
});

test('what was before the moment asked for does not count', async () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  clock.stall(500);
  await clock.timers.advance(LAG_TICK_MS);
  const between = clock.now();
  expect(lag.stalledSince(between)).toBe(0);
  expect(lag.stalledSince(between - 100)).toBe(100);
  clock.stall(200);
  await clock.timers.advance(LAG_TICK_MS);
  expect(lag.stalledSince(between)).toBe(200);
  lag.close();
});

test('timers that are a little late are no stall', async () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  for (let i = 0; i < 50; i++) {
    clock.stall(2);
    await clock.timers.advance(LAG_TICK_MS);
  }
  expect(lag.stalledSince(0)).toBe(0);
  lag.close();
});

test('closing leaves no timer behind', () => {
  const clock = new StallingClock();
  const lag = new LoopLag(clock);
  expect(clock.timers.pending).toBe(1);
  lag.close();
  expect(clock.timers.pending).toBe(0);
});

test('a process that stands still past the deadline of a real check does not fail the service', async () => {
  const server = await serve((socket) => {
    socket.resume();
    const end = performance.now() + 600;
    while (performance.now() < end);
  });
  const config = httpConfig(server.port, { timeoutMs: 200, intervalMs: 60_000 });
  const lag = new LoopLag(systemClock);
  const context = { clock: systemClock, random: seededRandom(1), lag };
  const prober = new Prober(await createProbe(config, { clock: systemClock }), config, context);
  const reports: ProbeReport[] = [];
  prober.onResult((report) => reports.push(report));
  await until(() => reports.length === 1, 'the result');
  expect(reports[0]?.result).toMatchObject({
    status: 'unknown',
    reason: expect.stringMatching(/^the sidecar itself stood still for \d+ ms during the check$/),
  });
  expect(prober.health.state).toBe('starting');
  await prober.close();
  lag.close();
  await server.close();
});
