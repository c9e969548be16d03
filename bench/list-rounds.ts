/** One contender that reads and follows a list, in its own process: what a round of each experiment is. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { sleep, systemClock } from '../runtime/clock.js';
import { deferred } from '../runtime/deferred.js';
import type { Follow } from './following.js';
import { serveRounds } from './harness.js';
import { Sight } from './sight.js';
import type { StartProxy, Traffic } from './traffic.js';

/** The sort of round `list`: time to the first list. */
export interface ListRound {
  readonly ms: number;
  /** The longest time between two turns of the event loop. */
  readonly stallMs: number;
}

/** Of `change`: time until a change is known, of each change, in milliseconds. */
export type ChangeRound<Change extends string> = Readonly<Record<Change, readonly number[]>>;

/** Of `count`: the operations of both. */
export type CountRound<Change extends string> = Readonly<Record<Change | 'first', Traffic>>;

/** Makes the changes. One and the same for all contenders. */
export interface Writer<Change extends string> {
  make(change: Change): Promise<unknown>;
  close(): Promise<void>;
}

export interface ListContender<Change extends string> {
  readonly address: string;
  readonly service: string;
  /** How many instances it has. */
  readonly instances: number;
  /** Tells at least the first list. */
  readonly readFirst: Follow;
  readonly follow: Follow;
  readonly openWriter: (address: string, service: string) => Promise<Writer<Change>>;
  /** The changes of one instance in their order, each with the weight that it has then; undefined: it is not listed. */
  readonly weightAfter: Readonly<Record<Change, number | undefined>>;
  readonly startProxy: StartProxy;
  /** So that whatever a change still causes after it is known does not fall into the next one. */
  readonly settleMs: number;
}

/** The instance that is created, changed and deleted. */
export const CHANGING_ID = 'changing';
const REPEATS = 10;
/** After the first list, so that whatever follows it belongs to it: on etcd the watch. */
const QUIET_MS = 300;

/** For a contender's process. */
export function serveListRounds<Change extends string>(contender: ListContender<Change>): void {
  const rounds = { list: listRound, change: changeRound, count: countRound };
  serveRounds<unknown>((what) => rounds[what as keyof typeof rounds](contender));
}

/** A new connection and the list; its end is not in the time. */
async function listRound<Change extends string>(contender: ListContender<Change>): Promise<ListRound> {
  const { readFirst, address, service, instances, settleMs } = contender;
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  const known = deferred<void>();
  stalls.enable();
  const startedAt = systemClock.now();
  const close = await readFirst(address, service, ({ size }) => {
    if (size !== instances) throw new Error(`expected a list of ${instances}, got ${size}`);
    known.resolve();
  });
  await known.promise;
  const ms = systemClock.now() - startedAt;
  await sleep(systemClock, settleMs);
  stalls.disable();
  await close();
  return { ms, stallMs: stalls.max / 1e6 };
}

async function changeRound<Change extends string>(
  contender: ListContender<Change>,
): Promise<ChangeRound<Change>> {
  const changes = changesOf(contender);
  const latencies = Object.fromEntries(changes.map((change) => [change, [] as number[]]));
  await following(contender, contender.address, async (makeAndSee) => {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const change of changes) latencies[change]?.push(await makeAndSee(change));
    }
  });
  return latencies as Record<Change, number[]>;
}

async function countRound<Change extends string>(
  contender: ListContender<Change>,
): Promise<CountRound<Change>> {
  const proxy = await contender.startProxy(contender.address);
  const counts: Partial<Record<Change | 'first', Traffic>> = {};
  await following(contender, proxy.address, async (makeAndSee) => {
    await sleep(systemClock, QUIET_MS);
    counts.first = proxy.take();
    for (const change of changesOf(contender)) {
      await makeAndSee(change);
      counts[change] = proxy.take();
    }
  });
  proxy.close();
  return counts as Record<Change | 'first', Traffic>;
}

/** Gives `work` a follower that has its first list, and a way to make one change and see it arrive. */
async function following<Change extends string>(
  { address, service, follow, openWriter, weightAfter, settleMs }: ListContender<Change>,
  followed: string,
  work: (makeAndSee: (change: Change) => Promise<number>) => Promise<void>,
): Promise<void> {
  const writer = await openWriter(address, service);
  const sight = new Sight(systemClock, CHANGING_ID);
  const first = sight.next(undefined);
  const close = await follow(followed, service, sight.onList);
  await first;
  await sleep(systemClock, settleMs);
  await work(async (change) => {
    const startedAt = systemClock.now();
    const seen = sight.next(weightAfter[change]);
    await writer.make(change);
    const ms = (await seen) - startedAt;
    await sleep(systemClock, settleMs);
    return ms;
  });
  await close();
  await writer.close();
}

function changesOf<Change extends string>({ weightAfter }: ListContender<Change>): readonly Change[] {
  return Object.keys(weightAfter) as Change[];
}
