/**
 * What a fault is done to: a sidecar and a caller in processes of their own, each behind a fault proxy where the row
 * wants one, two HTTP services, and a witness that looks at the registry directly. The instance `one` is the sidecar's;
 * `two` is a lasting entry, so that there always is another endpoint to retry on.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { encodeInstance } from '../../registry/formats/pilotfish.js';
import { isZkError, type ZkNode, type ZkStat } from '../../registry/zookeeper/driver.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { systemClock } from '../../runtime/clock.js';
import { CloseStack } from '../../runtime/close-stack.js';
import { deferred } from '../../runtime/deferred.js';
import { eventually, Sidecar, ToyService } from '../end-to-end/world.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { connectClient, untilState } from '../helpers/zk.js';
import { DRIVERS, type Driver } from '../helpers/zk-drivers.js';
import { fourLetterWord } from '../servers/index.js';
import { Bars } from './fault-bars.js';
import { MessageProcess } from './fault-process.js';

/** The session timeout of these tests; the bars of the matrix, which are for 6 s, are scaled to it. */
export const T_MS = 3_000;
export const SERVICE = 'orders';
const CANARY = 'canary-9f3b61c7';
const ROW_LIMIT_MS = 90_000;
const LOAD_PER_SECOND = 200;
const WITNESS_POLL_MS = 40;

export interface CallerReport {
  readonly requests: number;
  readonly failed: number;
  readonly retried: number;
  readonly emptyPicks: number;
  readonly regressions: number;
  readonly unhandled: readonly string[];
  /** Every list that differed from the one before, with the wall clock's time. */
  readonly lists: readonly { readonly at: number; readonly ids: readonly string[] }[];
  readonly states: readonly { readonly at: number; readonly state: string }[];
  readonly state: string;
  readonly staleMs: number | undefined;
  /** `id=weight`, sorted. */
  readonly list: readonly string[];
}

/** Where the servers are. */
export interface Place {
  /** Of the servers that the sidecar and the caller are given. */
  readonly address: string;
  /** Of all servers; default `address`. */
  readonly servers?: string;
  /** Of servers that the fault spares, for the witness; default all. */
  readonly spared?: string;
}

export interface RowOptions {
  /** Puts proxies between: only before a single server. */
  readonly proxied?: boolean;
  /** Whether the caller sends 200 requests a second, of which none may fail. */
  readonly load?: boolean;
  /** How often the registry's revisions begin anew; default never. */
  readonly newEpochs?: number;
  /** The session timeout; default T. */
  readonly timeoutMs?: number;
  /** One driver after the other, where one fault cannot serve both. */
  readonly inTurn?: boolean;
}

interface WorldOptions extends Place, RowOptions {
  readonly row: string;
  readonly driver: Driver;
}

/** A row of the fault matrix as a test for each driver, at the same time so that both share the fault and its duration. */
export function faultRow(
  row: string,
  title: string,
  place: () => Place | Promise<Place>,
  options: RowOptions,
  scenario: (world: World) => Promise<void>,
): void {
  const each = options.inTurn ? test.for(DRIVERS) : test.concurrent.for(DRIVERS);
  describe(`row ${row}: ${title}`, () => {
    each('%s', { timeout: ROW_LIMIT_MS }, async (driver, { annotate }) => {
      await using world = await World.start({ row, driver, ...(await place()), ...options });
      try {
        await scenario(world);
        await world.judge(annotate);
      } catch (error) {
        if (driver === 'wire' || !(await world.aborted())) throw error;
        await annotate(`row ${row}, native: a known failure, the driver aborted its process`);
      }
    });
  });
}

export class World implements AsyncDisposable {
  readonly bars: Bars;
  readonly path: string;
  readonly sidecarProxy: FaultProxy;
  readonly callerProxy: FaultProxy;
  sidecar!: Sidecar;
  caller!: MessageProcess<'report', CallerReport>;
  witness!: WireClient;
  readonly #options: WorldOptions;
  readonly #closers: CloseStack;
  readonly #toy: ToyService;
  readonly #authFile: string;
  readonly #outputs: (() => string)[] = [];

  private constructor(
    options: WorldOptions,
    closers: CloseStack,
    parts: {
      readonly sidecarProxy: FaultProxy;
      readonly callerProxy: FaultProxy;
      readonly toy: ToyService;
      readonly authFile: string;
    },
  ) {
    this.#options = options;
    this.#closers = closers;
    this.#toy = parts.toy;
    this.#authFile = parts.authFile;
    this.sidecarProxy = parts.sidecarProxy;
    this.callerProxy = parts.callerProxy;
    this.bars = new Bars(options.row, options.driver);
    this.path = `${this.chroot}/${SERVICE}/one`;
  }

  /** Resolves when the caller has both instances in its list. */
  static async start(options: WorldOptions): Promise<World> {
    const closers = new CloseStack();
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-fault-'));
    closers.defer(() => rm(folder, { recursive: true, force: true }));
    const authFile = join(folder, 'auth');
    await writeFile(authFile, `pilot:${CANARY}\n`, { mode: 0o600 });
    const toy = await ToyService.start();
    closers.defer(() => toy.die());
    const [target = ''] = options.address.split(',');
    const sidecarProxy = await FaultProxy.start(target);
    const callerProxy = await FaultProxy.start(target);
    for (const proxy of [sidecarProxy, callerProxy]) closers.defer(() => proxy[Symbol.asyncDispose]());
    const world = new World(options, closers, { sidecarProxy, callerProxy, toy, authFile });
    try {
      await world.#populate();
      return world;
    } catch (error) {
      await closers.close();
      throw error;
    }
  }

  get chroot(): string {
    return `/row-${this.#options.row.replaceAll(' ', '-')}-${this.#options.driver}`;
  }

  /** What sidecar and caller are given. Only our own driver has credentials. */
  url(proxy: FaultProxy): string {
    const { driver, address, proxied, timeoutMs = T_MS } = this.#options;
    const auth = driver === 'wire' ? `&authFile=${this.#authFile}&allowInsecureAuth=true&acl=open` : '';
    const hosts = proxied ? proxy.address : address;
    return `zookeeper://${hosts}${this.chroot}?sessionTimeout=${timeoutMs}ms&driver=${driver}${auth}`;
  }

  async startSidecar(): Promise<Sidecar> {
    const sidecar = await Sidecar.start(this.url(this.sidecarProxy), [
      ...['--service', SERVICE, '--id', 'one', '--port', String(this.#toy.port), '--probe', 'http:/health'],
      // A busy machine must not make the service unwell: these rows are about the registry.
      ...['--fall', '1000'],
    ]);
    this.#closers.defer(() => sidecar.kill());
    this.#outputs.push(() => sidecar.output);
    this.sidecar = sidecar;
    return sidecar;
  }

  report(): Promise<CallerReport> {
    return this.caller.ask('report');
  }

  /** The entry of `one`, as soon as the registry answers; undefined when there is none. */
  async entry(): Promise<ZkNode | undefined> {
    await untilState(this.witness, 'connected');
    return nodeAt(this.witness, this.path);
  }

  /** The entry and how many lists the caller has seen, for `untouched`. */
  async mark(): Promise<Mark> {
    const [entry, { lists }] = await Promise.all([this.entry(), this.report()]);
    return { stat: entry?.stat, lists: lists.length };
  }

  /** Nothing was written, the session is the same, and the caller has seen no other list. */
  async untouched(mark: Mark): Promise<void> {
    const now = await this.mark();
    this.bars.equal('the same entry of the same session', now.stat, mark.stat);
    this.bars.equal('list changes', now.lists - mark.lists, 0);
  }

  /** By its log: the native driver may have made the sockets of the admin server deaf. */
  sidecarIsConnected(): boolean {
    return this.#connectionLog().at(-1)?.state === 'connected';
  }

  async callerIs(state: string): Promise<boolean> {
    return (await this.report()).state === state;
  }

  /** The session that owns the entry of `one`. */
  async owner(): Promise<string | undefined> {
    return (await this.entry())?.stat.owner;
  }

  /** Looks at the entry all the time until `stop`. A look that the registry does not answer counts for nothing. */
  pollEntry(): EntryPoll {
    return new EntryPoll(() => this.entry());
  }

  /** When the sidecar's connection first came into this state after `from`, on the wall clock. */
  sidecarStateAt(state: string, from: number): number | undefined {
    return this.#connectionLog(from).find((each) => each.state === state)?.at;
  }

  /** The longest time in ms for which the sidecar was without a connection since `from`. */
  longestSuspensionMs(from: number): number {
    const moves = this.#connectionLog(from);
    const lengths = moves.map(({ state, at }, i) => {
      return state === 'connected' ? 0 : (moves[i + 1]?.at ?? systemClock.wallNow()) - at;
    });
    return Math.max(0, ...lengths);
  }

  #connectionLog(from = 0): readonly { readonly state: unknown; readonly at: number }[] {
    return this.sidecar.log
      .filter(({ message }) => message === 'the registry connection changed')
      .map(({ state, time }) => ({ state, at: Date.parse(String(time)) }))
      .filter(({ at }) => at >= from);
  }

  /** Whether a process was ended by a signal that nobody sent. Ends the sidecar. */
  async aborted(): Promise<boolean> {
    const { code } = await this.sidecar.terminate();
    return code === undefined || this.caller.endedBy !== undefined;
  }

  /** All that the processes have printed. */
  get output(): string {
    return this.#outputs.map((each) => each()).join('');
  }

  /** What must hold whatever the fault was; then the row is judged. */
  async judge(annotate: TestContext['annotate']): Promise<void> {
    const { bars } = this;
    const report = await this.report();
    bars.equal('an entry for each id, once', await this.#entries(), ['one', 'two']);
    const servers = this.#options.servers ?? this.#options.address;
    await bars.within('owned by a live session', performance.now(), 1_000, async () => {
      return (await liveSessions(servers)).has((await this.owner()) ?? '');
    });
    bars.atMost('lower revisions applied', report.regressions, this.#options.newEpochs ?? 0);
    bars.equal('picks without result from a list', report.emptyPicks, 0);
    bars.equal('unhandled rejections', report.unhandled, []);
    bars.equal('secrets or stack traces in outputs', /canary-|unhandled|^ {4}at /im.test(this.output), false);
    if (this.#options.load) {
      bars.note('requests', report.requests);
      bars.note('retried', report.retried);
      bars.equal('failed requests', report.failed, 0);
    }
    await bars.judge(annotate);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closers.close();
  }

  async #populate(): Promise<void> {
    await this.#lookOn();
    await this.startSidecar();
    await eventually('the sidecar has registered', async () => (await this.owner()) !== undefined);
    await this.put('two', 1);
    this.caller = await MessageProcess.start('./fault-caller.mjs', [
      ...[this.url(this.callerProxy), SERVICE, String(this.#options.load ? LOAD_PER_SECOND : 0)],
    ]);
    const { caller } = this;
    this.#closers.defer(() => caller[Symbol.asyncDispose]());
    this.#outputs.push(() => caller.output);
    await eventually('the caller knows both', async () => (await this.report()).list.length === 2);
  }

  /** A new session for the witness: the old one has seen what the registry has forgotten. */
  async lookAnew(): Promise<void> {
    await this.witness.close();
    await this.#lookOn();
  }

  async #lookOn(): Promise<void> {
    const { address, servers = address, spared = servers } = this.#options;
    const { zk } = await connectClient(spared);
    this.witness = zk;
    this.#closers.defer(() => zk.close());
  }

  /** The names in the registry, sorted. */
  async #entries(): Promise<readonly string[]> {
    const path = `${this.chroot}/${SERVICE}`;
    if ((await this.witness.exists(path)) === undefined) return [];
    return [...(await this.witness.children(path)).names].sort();
  }

  /** Writes a lasting entry at the same endpoint, or changes it. */
  async put(id: string, weight: number): Promise<void> {
    const path = `${this.chroot}/${SERVICE}/${id}`;
    const data = encodeInstance(this.#instance(id, weight));
    if ((await this.witness.exists(path)) === undefined) await this.witness.create(path, data, 'persistent');
    else await this.witness.set(path, data, -1);
  }

  #instance(id: string, weight: number): Instance {
    const endpoint = { host: '127.0.0.1', port: this.#toy.port };
    const none = { note: undefined, zone: undefined, version: undefined, tags: [], metadata: {} };
    return { service: SERVICE, id, endpoint, weight, status: 'passing', ...none };
  }
}

interface Mark {
  readonly stat: ZkStat | undefined;
  readonly lists: number;
}

export class EntryPoll {
  /** Looks that found no entry, and looks that were answered. */
  absent = 0;
  looks = 0;
  readonly owners: Set<string> = new Set();
  readonly #ended: Promise<void>;
  #stopped = false;

  constructor(look: () => Promise<ZkNode | undefined>) {
    this.#ended = this.#run(look);
  }

  async stop(): Promise<this> {
    this.#stopped = true;
    await this.#ended;
    return this;
  }

  async #run(look: () => Promise<ZkNode | undefined>): Promise<void> {
    for (; !this.#stopped; await delay(WITNESS_POLL_MS)) {
      try {
        const node = await look();
        this.looks++;
        if (node === undefined) this.absent++;
        else this.owners.add(node.stat.owner ?? 'nobody');
      } catch (error) {
        if (!isZkError(error, 'CONNECTION_LOSS')) throw error;
      }
    }
  }
}

/** Both drivers meet the same fault: whoever comes last does it, and all learn the result. */
export function sharedFault<T>(fault: () => Promise<T>): () => Promise<T> {
  const done = deferred<T>();
  let missing = DRIVERS.length;
  return () => {
    if (--missing === 0) fault().then(done.resolve, done.reject);
    return done.promise;
  };
}

/** The ids of the sessions that are connected to any of these servers. */
export async function liveSessions(address: string): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(
    address.split(',').map((each) => fourLetterWord(each, 'cons').catch(() => '')),
  );
  const ids = answers.flatMap((answer) =>
    [...answer.matchAll(/sid=0x([0-9a-f]+)/g)].map(([, id]) => id as string),
  );
  return new Set(ids);
}

/** The node, or undefined when there is none. */
export async function nodeAt(zk: WireClient, path: string): Promise<ZkNode | undefined> {
  try {
    return await zk.get(path);
  } catch (error) {
    if (isZkError(error, 'NO_NODE')) return undefined;
    throw error;
  }
}
