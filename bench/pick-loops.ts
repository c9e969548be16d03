/**
 * The loops that `pick-contender.ts` times: the bare ones, which are the least that a pick of their kind can cost, and
 * those of a caller. Each makes its own calls, so that in the process of one contender nothing else shapes them.
 */
import type { Instance } from '../registry/contract.js';
import type { ServiceHandle } from '../resolver/index.js';

/** Makes so many picks and returns something that depends on each, so that none can be optimised away. */
export type Loop = (picks: number) => number;

/** Of xorshift, the generator that allocates nothing. */
const SEED = 0x9e3779b9 | 0;
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
  let state = SEED;
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const first = ((state & 0xffff) * length) >>> 16;
      let other = ((state >>> 16) * (length - 1)) >>> 16;
      if (other >= first) other++;
      const at = (inFlight[other] as number) < (inFlight[first] as number) ? other : first;
      inFlight[at] = (inFlight[at] as number) + 1;
      sum = (sum + (list[at] as Instance).endpoint.port) | 0;
      inFlight[at] = (inFlight[at] as number) - 1;
    }
    return sum;
  };
}

/** The same without the one branch that no processor can guess. */
export function branchlessLoop(list: readonly Instance[]): Loop {
  const inFlight = new Int32Array(list.length);
  const { length } = list;
  let state = SEED;
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const first = ((state & 0xffff) * length) >>> 16;
      const left = ((state >>> 16) * (length - 1)) >>> 16;
      const other = left + 1 + ((left - first) >> 31);
      const at = (inFlight[other] as number) < (inFlight[first] as number) ? other : first;
      inFlight[at] = (inFlight[at] as number) + 1;
      sum = (sum + (list[at] as Instance).endpoint.port) | 0;
      inFlight[at] = (inFlight[at] as number) - 1;
    }
    return sum;
  };
}

/** By weight: a column by chance, which is its own or another's (Walker, Vose). */
export function aliasLoop(list: readonly Instance[]): Loop {
  const { own, other } = aliasColumns(list.map(({ weight }) => weight));
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const place = Math.random() * own.length;
      const column = Math.floor(place);
      const at = place - column < (own[column] as number) ? column : (other[column] as number);
      sum = (sum + (list[at] as Instance).endpoint.port) | 0;
    }
    return sum;
  };
}

function aliasColumns(weights: readonly number[]) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const own = Float64Array.from(weights, (weight) => (weight * weights.length) / total);
  const other = Int32Array.from(weights.keys());
  const poor = [...weights.keys()].filter((column) => (own[column] as number) < 1);
  const rich = [...weights.keys()].filter((column) => (own[column] as number) >= 1);
  for (let low = poor.pop(), high = rich.pop(); low !== undefined && high !== undefined; low = poor.pop()) {
    other[low] = high;
    own[high] = (own[high] as number) - 1 + (own[low] as number);
    if ((own[high] as number) >= 1) continue;
    poor.push(high);
    high = rich.pop();
  }
  return { own, other };
}

/** Weighted turns: a binary heap by when each is due, every 1 / weight. */
export function dueLoop(list: readonly Instance[]): Loop {
  const { length } = list;
  const period = Float64Array.from(list, ({ weight }) => 1 / weight);
  const due = Float64Array.from(period, (each) => each * Math.random());
  const heap = Int32Array.from(due.keys()).sort((a, b) => (due[a] as number) - (due[b] as number));
  return (picks) => {
    let sum = 0;
    for (let i = 0; i < picks; i++) {
      const member = heap[0] as number;
      sum = (sum + (list[member] as Instance).endpoint.port) | 0;
      const next = (due[member] as number) + (period[member] as number);
      due[member] = next;
      let hole = 0;
      for (let child = 1; child < length; child = 2 * hole + 1) {
        const right = child + 1;
        if (right < length && (due[heap[right] as number] as number) < (due[heap[child] as number] as number))
          child = right;
        if ((due[heap[child] as number] as number) >= next) break;
        heap[hole] = heap[child] as number;
        hole = child;
      }
      heap[hole] = member;
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

/** As a caller picks: by the handle, and `done` for each. */
export function handleLoop(handle: ServiceHandle): Loop {
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
