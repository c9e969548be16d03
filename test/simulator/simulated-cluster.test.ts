import { describe, expect, it } from 'vitest';
import { HandClock } from './hand-clock.js';
import { type Balancing, shareOf, simulate, simulateSettling, type Traffic } from './simulated-cluster.js';

/** Picks by turns, and writes down when each request ended. */
class Turns implements Balancing {
  readonly ended: { readonly id: string; readonly ms: number; readonly outcome: string }[] = [];
  readonly clock = new HandClock();
  readonly #ids: readonly string[];
  #picks = 0;

  constructor(ids: readonly string[]) {
    this.#ids = ids;
  }

  pick() {
    const id = this.#ids[this.#picks++ % this.#ids.length] as string;
    const done = (outcome: string): void => void this.ended.push({ id, ms: this.clock.now(), outcome });
    return { instance: { id }, done };
  }
}

function traffic(turns: Turns, more: Partial<Traffic> = {}): Traffic {
  const answer = () => ({ latencyMs: 10 });
  return { picker: () => turns, clock: turns.clock, perSecond: 100, seconds: 20, answer, ...more };
}

function requestsIn(turns: Turns): number {
  return turns.ended.length;
}

describe('a simulated cluster', () => {
  it('has as many requests as it should, at times that chance gives, and the same with the same seed', () => {
    const [one, again, other] = [new Turns(['a']), new Turns(['a']), new Turns(['a'])];
    simulate(traffic(one));
    simulate(traffic(again));
    simulate(traffic(other, { seed: 7 }));
    expect(requestsIn(one)).toBeGreaterThan(1850);
    expect(requestsIn(one)).toBeLessThan(2150);
    expect(again.ended).toEqual(one.ended);
    expect(other.ended).not.toEqual(one.ended);
  });

  it('counts the picks of each second, by endpoint', () => {
    const counts = simulate(traffic(new Turns(['a', 'b', 'b', 'b']), { seconds: 40 }));
    expect(counts).toHaveLength(40);
    expect(shareOf('b', counts)).toBeCloseTo(0.75, 2);
    expect(shareOf('b', counts, 39)).toBeCloseTo(0.75, 1);
  });

  it('answers after the latency of the moment, with what came out', () => {
    const turns = new Turns(['a']);
    const answer = (_id: string, ms: number) =>
      ms < 10_000 ? { latencyMs: 5 } : ({ latencyMs: 1, outcome: 'error' } as const);
    const asked: number[] = [];
    simulate(traffic(turns, { answer, request: () => void asked.push(turns.clock.now()) }));
    const tookMs = turns.ended.map(({ ms }, at) => ms - (asked[at] as number));
    expect(new Set(tookMs.slice(0, 900))).toEqual(new Set([5]));
    expect(new Set(turns.ended.slice(-900, -1).map(({ outcome }) => outcome))).toEqual(new Set(['error']));
  });

  it('never ends a request at an endpoint that hangs, and at the end every other', () => {
    const turns = new Turns(['hangs', 'slow']);
    simulate(traffic(turns, { answer: (id) => ({ latencyMs: id === 'hangs' ? undefined : 1e6 }) }));
    expect(new Set(turns.ended.map(({ id, ms }) => `${id} ${ms}`))).toEqual(new Set(['slow 20000']));
  });

  it('says so when nothing is picked', () => {
    expect(() => simulate(traffic(new Turns([]), { picker: () => ({ pick: () => undefined }) }))).toThrow(
      'nothing was picked',
    );
  });

  it('lets promises settle between two milliseconds, where that is asked for', async () => {
    const turns = new Turns(['a']);
    const behind: number[] = [];
    let settled = 0;
    const before = (ms: number): void => {
      behind.push(ms - settled);
      Promise.resolve()
        .then(() => {})
        .then(() => settled++);
    };
    await simulateSettling(traffic(turns, { before, seconds: 1 }));
    expect(new Set(behind)).toEqual(new Set([0]));
  });
});
