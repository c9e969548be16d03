import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { sleep } from '../../runtime/clock.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

let clock: VirtualClock;

beforeEach(() => {
  clock = new VirtualClock();
});

describe('a virtual clock', () => {
  test('stands still until it is advanced', async () => {
    expect(clock.now()).toBe(0);
    await clock.advance(250);
    await clock.advance(250);
    expect(clock.now()).toBe(500);
  });

  test('has a wall time that starts where it is told and moves along', async () => {
    const other = new VirtualClock(5_000);
    await other.advance(100);
    expect(other.wallNow()).toBe(5_100);
  });

  test('runs what falls due at its time, and nothing that does not', async () => {
    const seen: number[] = [];
    for (const ms of [300, 100, 200]) clock.after(ms, () => seen.push(clock.now()));
    await clock.advance(200);
    expect(seen).toEqual([100, 200]);
    expect(clock.pending).toBe(1);
    await clock.advance(100);
    expect(seen).toEqual([100, 200, 300]);
    expect(clock.pending).toBe(0);
  });

  test('runs what is due at the same moment in the order in which it was asked for', async () => {
    const seen: string[] = [];
    clock.after(10, () => seen.push('first'));
    clock.after(10, () => seen.push('second'));
    await clock.advance(10);
    expect(seen).toEqual(['first', 'second']);
  });

  test('takes a negative time for now', async () => {
    let called = false;
    clock.after(-5, () => {
      called = true;
    });
    await clock.advance(0);
    expect(called).toBe(true);
  });

  test('does not run what was cancelled, also by a callback of the same moment', async () => {
    const seen: string[] = [];
    clock.after(10, () => cancel());
    const cancel = clock.after(10, () => seen.push('cancelled'));
    await clock.advance(20);
    expect(seen).toEqual([]);
  });

  test('runs what a callback asks for, at its own time within the same advance', async () => {
    const seen: number[] = [];
    const again = (): void => {
      seen.push(clock.now());
      clock.after(100, again);
    };
    clock.after(100, again);
    await clock.advance(350);
    expect(seen).toEqual([100, 200, 300]);
  });

  test('lets promises settle between two callbacks', async () => {
    const seen: string[] = [];
    void sleep(clock, 10).then(async () => {
      await undefined;
      seen.push('after the first sleep');
    });
    clock.after(11, () => seen.push('second timer'));
    await clock.advance(20);
    expect(seen).toEqual(['after the first sleep', 'second timer']);
  });
});

test('callbacks run in order of time, whatever the order of asking', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 50 }), { maxLength: 8 }), async (times) => {
      const each = new VirtualClock();
      const seen: number[] = [];
      for (const ms of times) each.after(ms, () => seen.push(ms));
      await each.advance(50);
      expect(seen).toEqual(times.toSorted((a, b) => a - b));
    }),
    { numRuns: 30 },
  );
});
