/**
 * The loops that `pick-contender.ts` times: the bare ones, which are the least that a pick of their kind can cost, and
 * those of a caller. Each makes its own calls, so that in the process of one contender nothing else shapes them.
 */
import type { Instance } from '../registry/contract.js';
import type { ServiceHandle } from '../resolver/index.js';

/** Makes so many picks and returns something that depends on each, so that none can be optimised away. */
export type Loop = (picks: number) => number;

const KEY_MASK = 1023;
const KEYS = Array.from({ length: KEY_MASK + 1 }, (_, n) => `session-${n}`);
const REQUESTS = KEYS.map((key) => ({ key }));

export function counterLoop(list: readonly Instance[]): Loop {
  let next = 0;
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      sum = (sum + (list[next] as Instance).endpoint.port) | 0;
      next = next + 1 === list.length ? 0 : next + 1;
    }
    return sum;
  };
}

export function chanceLoop(list: readonly Instance[]): Loop {
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      sum = (sum + (list[Math.floor(Math.random() * list.length)] as Instance).endpoint.port) | 0;
    }
    return sum;
  };
}

/** Two different ones by chance, of which the one with less in flight gets one more, and ends it. */
export function twoChoicesLoop(list: readonly Instance[]): Loop {
  const inFlight = new Int32Array(list.length);
  const { length } = list;
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const first = Math.floor(Math.random() * length);
      const second = (first + 1 + Math.floor(Math.random() * (length - 1))) % length;
      const at = (inFlight[second] as number) < (inFlight[first] as number) ? second : first;
      inFlight[at] = (inFlight[at] as number) + 1;
      sum = (sum + (list[at] as Instance).endpoint.port) | 0;
      inFlight[at] = (inFlight[at] as number) - 1;
    }
    return sum;
  };
}

/** The shortest hash of a key there is, and no ring. */
export function hashLoop(list: readonly Instance[]): Loop {
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const key = KEYS[i & KEY_MASK] as string;
      let hash = 0;
      for (let at = 0; at < key.length; at++) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
      sum = (sum + (list[(hash >>> 0) % list.length] as Instance).endpoint.port) | 0;
    }
    return sum;
  };
}

export function doneLoop(handle: ServiceHandle): Loop {
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const pick = handle.pick();
      sum = (sum + pick.endpoint.port) | 0;
      pick.done('ok');
    }
    return sum;
  };
}

export function keyedLoop(handle: ServiceHandle): Loop {
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const pick = handle.pick(REQUESTS[i & KEY_MASK]);
      sum = (sum + pick.endpoint.port) | 0;
      pick.done('ok');
    }
    return sum;
  };
}

export function handleLoop(handle: ServiceHandle): Loop {
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) sum = (sum + handle.pick().endpoint.port) | 0;
    return sum;
  };
}
