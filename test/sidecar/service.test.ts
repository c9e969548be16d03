/** One service as a whole, on a virtual clock: what a drain believes, how it ends, and what a reload leaves alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { Announcer } from '../../sidecar/announcer.js';
import { OrderBook } from '../../sidecar/operator/order-book.js';
import { planServices, type ServicePlan } from '../../sidecar/plan.js';
import { Prober } from '../../sidecar/prober.js';
import { Service } from '../../sidecar/service.js';
import { ServiceHealth } from '../../sidecar/service-health.js';
import { load } from '../helpers/config.js';
import { ScriptedRegistry } from './scripted-registry.js';

const settings = { propagationMs: 200, waitMs: 5_000, timeoutMs: 25_000 };

let clock: VirtualClock;
let stateDir: string;
let service: Service;

/** As a configuration says it, with heartbeats as the only probe. */
async function planOf(more: object = {}): Promise<ServicePlan> {
  const entry = { name: 'orders', id: 'a', port: 8080, address: '10.0.0.1', probes: ['ttl:1h'], ...more };
  const { config } = await load({ file: { services: [entry] } });
  const [plan] = await planServices(config, { clock });
  return plan as ServicePlan;
}

beforeEach(async () => {
  clock = new VirtualClock();
  stateDir = await mkdtemp(join(tmpdir(), 'pilotfish-'));
  const [logger, random, lag] = [silentLogger, seededRandom(3), { stalledSince: () => 0 }];
  const plan = await planOf();
  const probers = plan.probes.map(({ probe, config }) => new Prober(probe, config, { clock, random, lag }));
  service = new Service(plan, {
    health: new ServiceHealth('orders', probers),
    neighbours: undefined,
    orders: await OrderBook.open(plan.instance, { clock, logger, stateDir }),
    announcers: [new Announcer(new ScriptedRegistry(), 'orders', { clock, random, logger })],
    clock,
    logger,
  });
  service.beat('pass', '', 0);
  await clock.advance(1_000);
  expect(service.status().registrations[0]?.registered).toBe(true);
});

afterEach(async () => {
  await service.withdraw('the test is over', new AbortController().signal);
  expect(clock.pending).toBe(0);
  await rm(stateDir, { recursive: true });
});

const drained = () => service.drainStatus()?.phase === 'drained';

test('a drain does not believe that nothing is in flight where that was said before callers knew of the drain', async () => {
  void service.drain('SIGTERM', settings);
  await clock.advance(4_000);
  expect(drained()).toBe(false);
  service.beat('pass', '', 1);
  await clock.advance(4_000);
  expect(service.drainStatus()).toMatchObject({ phase: 'finishing', inFlight: 1 });
  service.beat('pass', '', 0);
  await clock.advance(100);
  expect(service.drainStatus()).toMatchObject({ phase: 'drained', inFlight: 0, complete: true });
});

test('a drain waits for as long as it is to where nobody says afterwards what is in flight', async () => {
  const ended = service.drain('SIGTERM', settings);
  await clock.advance(5_199);
  expect(drained()).toBe(false);
  await clock.advance(1_000);
  expect(await ended).toBe(true);
});

test('a reload does not forget what a heartbeat said of the requests in flight', async () => {
  service.beat('pass', '', 3);
  await service.change(await planOf({ weight: 2 }), undefined);
  void service.drain('SIGTERM', settings);
  await clock.advance(7_000);
  expect(service.drainStatus()).toMatchObject({ phase: 'finishing', inFlight: 3 });
});

test('a drain that ends at its cap is not complete', async () => {
  void service.drain('an operator asked for it', settings);
  expect(service.drainStatus()).toMatchObject({ phase: 'marking', complete: false });
  for (let second = 0; second < 25; second++) {
    service.beat('pass', '', 1);
    await clock.advance(1_000);
  }
  expect(service.drainStatus()).toMatchObject({ phase: 'drained', inFlight: 1, complete: false });
});

test('a drain that goes on already holds nobody up for longer than they have', async () => {
  void service.drain('an operator asked for it', { ...settings, waitMs: 50_000, timeoutMs: 60_000 });
  await clock.advance(1_000);
  let isOver: boolean | undefined;
  void service.drain('SIGTERM', { ...settings, timeoutMs: 20_000 }).then((end) => {
    isOver = end;
  });
  await clock.advance(19_999);
  expect(isOver).toBeUndefined();
  await clock.advance(1);
  expect(isOver).toBe(false);
});

test('a drain that is over by then is over for whoever asks again', async () => {
  const first = service.drain('an operator asked for it', settings);
  await clock.advance(10_000);
  expect([await first, await service.drain('SIGTERM', settings)]).toEqual([true, true]);
});
