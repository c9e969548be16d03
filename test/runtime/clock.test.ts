import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { sleep, systemClock } from '../../runtime/clock.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

describe('the system clock', () => {
  test('is monotonic, and calls back no earlier than asked', async () => {
    const before = systemClock.now();
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    // A timer may fire a fraction of a millisecond before its time by the finer clock.
    expect(systemClock.now() - before).toBeGreaterThan(4);
  });

  test('tells the wall time in ms since the epoch', () => {
    expect(Math.abs(systemClock.wallNow() - Date.now())).toBeLessThan(1000);
  });

  test('does not call back what was cancelled; cancelling again, or late, does nothing', async () => {
    let calls = 0;
    const cancel = systemClock.after(0, () => calls++);
    cancel();
    cancel();
    const late = await new Promise<() => void>((resolve) => {
      const end = systemClock.after(1, () => resolve(end));
    });
    late();
    expect(calls).toBe(0);
  });

  test('takes a time in the past for now, and one beyond the longest timer for far away', async () => {
    let early = false;
    const cancel = systemClock.after(2 ** 40, () => {
      early = true;
    });
    await new Promise<void>((resolve) => systemClock.after(-100, resolve));
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    cancel();
    expect(early).toBe(false);
  });
});

describe('sleep', () => {
  test('ends after its time and lets go of the signal', async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    let awake = false;
    void sleep(clock, 100, signal).then(() => {
      awake = true;
    });
    await clock.advance(99);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('rejects with the reason of the signal, and leaves no timer', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const reason = new Error('enough');
    const asleep = sleep(clock, 100, abort.signal);
    abort.abort(reason);
    await expect(asleep).rejects.toBe(reason);
    await expect(sleep(clock, 100, abort.signal)).rejects.toBe(reason);
    expect(clock.pending).toBe(0);
  });
});
