/**
 * Row 14 of the fault matrix: the connection ends at any byte of a registration or a withdrawal, so that nobody knows
 * what took effect. Many lanes at once, each with a proxy, a session and an instance of its own; the bytes are chosen by
 * a seed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { below, type Random, seededRandom } from '../../runtime/random.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { type ConnectedClient, connectClient } from '../helpers/zk.js';
import { DRIVERS, type Driver } from '../helpers/zk-drivers.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { Bars } from './fault-bars.js';
import { MessageProcess } from './fault-process.js';
import { liveSessions, nodeAt, SERVICE, T_MS } from './fault-world.js';

const LIMIT_MS = 90_000;
const SEED = 14;
const LANES = 10;
/** Each round cuts once while registering and, but for the last, once while withdrawing. */
const ROUNDS = 6;
const CUTS = LANES * (2 * ROUNDS - 1);
const LAST_ROUND = ROUNDS - 1;
/** Within these a registration without faults is done, handshake included. */
const SPAN_BYTES = { up: 420, down: 460 };

type Order = { readonly lane: number; readonly registry?: string; readonly instance?: Instance };
type Registrar = MessageProcess<Order, { readonly lane: number; readonly error?: string }>;

let server: RunningServer;
let witness: ConnectedClient;

beforeAll(async () => {
  server = await startServer('zookeeper');
  witness = await connectClient(server.address);
});

afterAll(async () => {
  await witness[Symbol.asyncDispose]();
  await server.stop();
});

const urlOf = (address: string, driver: Driver, timeoutMs = T_MS): string =>
  `zookeeper://${address}/row-14-${driver}?sessionTimeout=${timeoutMs}ms&driver=${driver}`;

const pathOf = (driver: Driver, lane: number): string => `/row-14-${driver}/${SERVICE}/${idOf(lane)}`;

const idOf = (lane: number): string => `lane-${lane}`;

function instanceOf(lane: number): Instance {
  const none = { note: undefined, zone: undefined, version: undefined, tags: [], metadata: {} };
  const endpoint = { host: '127.0.0.1', port: 8_000 + lane };
  return { service: SERVICE, id: idOf(lane), endpoint, weight: 1, status: 'passing', ...none };
}

/** One instance that comes and goes over a connection that is cut. */
class Lane {
  readonly #lane: number;
  readonly #driver: Driver;
  readonly #proxy: FaultProxy;
  readonly #registrar: Registrar;
  readonly #random: Random;
  readonly problems: string[] = [];
  cuts = 0;

  constructor(lane: number, driver: Driver, proxy: FaultProxy, registrar: Registrar) {
    this.#lane = lane;
    this.#driver = driver;
    this.#proxy = proxy;
    this.#registrar = registrar;
    this.#random = seededRandom(SEED + lane);
  }

  async run(): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      await this.#underCut(`round ${round}, registering`, 1, () => this.#register());
      await this.#expectEntry(`round ${round}, registered`, true);
      if (round === LAST_ROUND) return;
      await this.#underCut(`round ${round}, withdrawing`, 0.3, () => this.#order({ lane: this.#lane }));
      await this.#expectEntry(`round ${round}, withdrawn`, false);
    }
  }

  /** Cuts at a random byte of the first `share` of the span, if so many pass. */
  async #underCut(what: string, share: number, work: () => Promise<string | undefined>): Promise<void> {
    const direction = below(this.#random, 2) === 0 ? 'up' : 'down';
    const bytes = 1 + below(this.#random, Math.floor(SPAN_BYTES[direction] * share));
    void this.#proxy.cutAfter(direction, bytes).then(() => this.cuts++);
    const error = await work();
    await this.#proxy.heal();
    if (error !== undefined) this.problems.push(`${what}, cut ${direction} at ${bytes}: ${error}`);
  }

  #register(): Promise<string | undefined> {
    const registry = urlOf(this.#proxy.address, this.#driver);
    return this.#order({ lane: this.#lane, registry, instance: instanceOf(this.#lane) });
  }

  async #order(order: Order): Promise<string | undefined> {
    return (await this.#registrar.ask(order, ({ lane }) => lane === this.#lane)).error;
  }

  async #expectEntry(what: string, wanted: boolean): Promise<void> {
    const node = await nodeAt(witness.zk, pathOf(this.#driver, this.#lane));
    if ((node !== undefined) !== wanted) this.problems.push(`${what}: ${node ? 'still there' : 'not there'}`);
  }
}

describe(`row 14: the connection is cut at ${CUTS} random bytes of registrations and withdrawals`, () => {
  test.concurrent.for(DRIVERS)('%s', { timeout: LIMIT_MS }, async (driver, { annotate }) => {
    const bars = new Bars('14', driver);
    await using registrar: Registrar = await MessageProcess.start('./fault-registrar.mjs');
    const proxies = await Promise.all(Array.from({ length: LANES }, () => FaultProxy.start(server.address)));
    const lanes = proxies.map((proxy, i) => new Lane(i, driver, proxy, registrar));
    const from = performance.now();
    const lost = await Promise.all(lanes.map((lane) => lane.run())).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (lost !== undefined && registrar.endedBy === undefined) throw lost;
    bars.equal('the process goes on', lost === undefined, true);
    bars.note('time, ms', Math.round(performance.now() - from));
    bars.note('cuts that hit', sum(lanes.map(({ cuts }) => cuts)));
    if (lost === undefined) expect(sum(lanes.map(({ cuts }) => cuts))).toBeGreaterThan(0.8 * CUTS);
    const problems = lanes.flatMap((lane) => lane.problems);
    bars.equal('problems on the way', problems, []);
    await delay(2 * T_MS);
    // A process that is gone has left nothing behind either.
    const ids = lost === undefined ? lanes.map((_, i) => idOf(i)).sort() : [];
    const { names } = await witness.zk.children(`/row-14-${driver}/${SERVICE}`);
    bars.equal('entries after 2 T', [...names].sort(), ids);
    const live = await liveSessions(server.address);
    const owners = await Promise.all(
      lanes.map(async (_, i) => (await nodeAt(witness.zk, pathOf(driver, i)))?.stat.owner),
    );
    bars.equal(
      'of them owned by a live session',
      owners.filter((id) => live.has(id ?? '')).length,
      ids.length,
    );
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    await bars.judge(annotate);
  });
});

describe('row 14: the create takes effect and its reply is lost', () => {
  test.concurrent.for(DRIVERS)('%s', { timeout: LIMIT_MS }, async (driver, { annotate }) => {
    const bars = new Bars('14 reply', driver);
    const lane = 99;
    await using proxy = await FaultProxy.start(server.address);
    await using registrar: Registrar = await MessageProcess.start('./fault-registrar.mjs');
    // The parents are there, so the requests are exists and create; the first reply is the handshake's.
    for (const path of [`/row-14-${driver}`, `/row-14-${driver}/${SERVICE}`]) {
      await witness.zk.create(path, Buffer.alloc(0), 'persistent').catch(() => {});
    }
    const lost = proxy.loseReply(3);
    const registered = registrar.ask({
      lane,
      // A first attempt to connect that takes long is still waited for.
      registry: urlOf(proxy.address, driver, 30_000),
      instance: instanceOf(lane),
    });
    await lost;
    const created = await nodeAt(witness.zk, pathOf(driver, lane));
    bars.equal('it took effect', created !== undefined, true);
    bars.equal('settled', await registered, { lane });
    const entry = await nodeAt(witness.zk, pathOf(driver, lane));
    bars.note('created once, then adopted', entry?.stat.czxid === created?.stat.czxid);
    expect((await liveSessions(server.address)).has(entry?.stat.owner ?? '')).toBe(true);
    await registrar.ask({ lane });
    expect(await nodeAt(witness.zk, pathOf(driver, lane))).toBeUndefined();
    await bars.judge(annotate);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
