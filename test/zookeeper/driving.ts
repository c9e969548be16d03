/**
 * Sessions over fake servers under a clock that moves only when told to: waits pass at once, and whatever is still waiting
 * in the end can be counted.
 */
import { expect } from 'vitest';
import type { ZkConnectOptions } from '../../registry/zookeeper/driver.js';
import { WireClient } from '../../registry/zookeeper/wire/client.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { zkOptions } from '../helpers/zk.js';
import { type FakeServer, turns } from './fake-server.js';

export const SESSION_MS = 6_000;

/** Turns of the event loop in which everything that is on its way over loopback arrives. */
const ARRIVAL_TURNS = 12;
const STEP_MS = 20;

export interface Driven {
  readonly clock: VirtualClock;
  readonly zk: WireClient;
  readonly states: string[];
  /** Lets virtual time pass until it is true; fails after `limitMs` of it. */
  until(isTrue: () => boolean, limitMs?: number): Promise<void>;
  /** Lets that much virtual time pass, and everything happen that falls into it. */
  pass(ms: number): Promise<void>;
  /** Closes the session, and looks whether a timer, a connection or a request is left. */
  [Symbol.asyncDispose](): Promise<void>;
}

export function drive(
  servers: readonly FakeServer[],
  options: Partial<Omit<ZkConnectOptions, 'clock'>> = {},
): Driven {
  const clock = new VirtualClock();
  const address = servers.map((server) => server.address).join(',');
  const zk = new WireClient({ ...zkOptions(address, { timeoutMs: SESSION_MS, ...options }), clock });
  const states: string[] = [];
  zk.onState((state) => states.push(state));
  const pass = async (ms: number): Promise<void> => {
    await turns(ARRIVAL_TURNS);
    for (let left = ms; left > 0; left -= STEP_MS) {
      await clock.advance(Math.min(left, STEP_MS));
      await turns(ARRIVAL_TURNS);
    }
  };
  const until = async (isTrue: () => boolean, limitMs = 120_000): Promise<void> => {
    const end = clock.now() + limitMs;
    await turns(ARRIVAL_TURNS);
    while (!isTrue()) {
      if (clock.now() >= end)
        throw new Error(`not within ${limitMs} ms: ${isTrue}; it went ${states.join(' ')}`);
      await pass(STEP_MS);
    }
  };
  const close = async (): Promise<void> => {
    let closed = false;
    const closing = zk.close().finally(() => {
      closed = true;
    });
    await until(() => closed, 5_000);
    await closing;
    await turns(ARRIVAL_TURNS);
    expect({ timers: clock.pending, requests: zk.load.pending }).toEqual({ timers: 0, requests: 0 });
    expect(servers.map(({ open }) => open)).toEqual(servers.map(() => 0));
  };
  return { clock, zk, states, until, pass, [Symbol.asyncDispose]: close };
}

/** What became of a promise, and how many times it has settled, which has to be once. */
export interface Settled {
  /** `ok`, or the code of the error, or its message when it has none. */
  readonly outcomes: string[];
  readonly values: unknown[];
  readonly errors: Error[];
}

export function settled(promise: Promise<unknown>): Settled {
  const result: Settled = { outcomes: [], values: [], errors: [] };
  promise.then(
    (value) => {
      result.outcomes.push('ok');
      result.values.push(value);
    },
    (error: Error & { code?: string }) => {
      result.outcomes.push(error.code ?? error.message);
      result.errors.push(error);
    },
  );
  return result;
}
