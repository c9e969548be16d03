import { beforeEach, describe, expect, test } from 'vitest';
import { type Leftover, Leftovers } from '../../registry/leftovers.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

let clock: VirtualClock;
let leftovers: Leftovers;
/** When somebody looked, in ms. */
let looks: number[];
/** What the registry does at a look. */
let answer: (signal: AbortSignal) => Promise<void>;

beforeEach(() => {
  clock = new VirtualClock();
  leftovers = new Leftovers({ clock, random: seededRandom(1) });
  looks = [];
  answer = async () => {};
});

const leftover = (fields: Partial<Leftover> = {}): Leftover => ({
  entry: 'a',
  look: (signal) => {
    looks.push(clock.now());
    return answer(signal);
  },
  pauseMs: 1_000,
  isOver: () => false,
  ...fields,
});

/** Whether it has happened by now. */
function watched(promise: Promise<void> | undefined): { readonly done: boolean } {
  const state = { done: false };
  void promise?.then(() => {
    state.done = true;
  });
  return state;
}

const away = async (): Promise<never> => {
  throw new Error('nobody answers');
};

describe('what an unfinished registration may have left', () => {
  test('is looked for at once, and once more after the pause; then there is nothing left of it', async () => {
    leftovers.remove(leftover());
    const gone = watched(leftovers.of('a'));
    await clock.advance(0);
    expect([looks, gone.done]).toEqual([[0], true]);
    await clock.advance(10_000);
    expect(looks).toEqual([0, 1_000]);
    expect(leftovers.of('a')).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  test('is not known to be gone before the registry answers, which is asked with growing waits until then', async () => {
    answer = away;
    leftovers.remove(leftover());
    const gone = watched(leftovers.of('a'));
    await clock.advance(60_000);
    expect(looks.length).toBeGreaterThan(12);
    expect(looks.length).toBeLessThan(60);
    expect(gone.done).toBe(false);
    answer = async () => {};
    await clock.advance(10_000);
    expect(gone.done).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('needs no look any more when the registry must have removed it by itself', async () => {
    answer = away;
    let unseen = 0;
    leftovers.remove(leftover({ isOver: () => clock.now() >= 30_000, onUnseen: () => unseen++ }));
    const gone = watched(leftovers.of('a'));
    await clock.advance(40_000);
    expect([gone.done, unseen]).toEqual([true, 1]);
    expect(Math.max(...looks)).toBeLessThan(30_000);
    expect(clock.pending).toBe(0);
  });

  test('is not removed once its entry is registered anew, whatever is left of others', async () => {
    leftovers.remove(leftover());
    leftovers.remove(leftover({ entry: 'b' }));
    await clock.advance(0);
    await leftovers.stop('a');
    expect(leftovers.of('a')).toBeUndefined();
    expect(leftovers.of('b')).toBeDefined();
    await clock.advance(10_000);
    expect(looks).toEqual([0, 0, 1_000]);
  });

  test('is given up when the registry closes and it is not gone in time, also in the middle of a look', async () => {
    answer = (signal) =>
      new Promise((_, refuse) => signal.addEventListener('abort', () => refuse(signal.reason)));
    let unseen = 0;
    leftovers.remove(leftover({ onUnseen: () => unseen++ }));
    const closed = watched(leftovers.close(5_000));
    await clock.advance(4_999);
    expect(closed.done).toBe(false);
    await clock.advance(1);
    expect([closed.done, looks, unseen]).toEqual([true, [0], 0]);
    expect(clock.pending).toBe(0);
  });
});
