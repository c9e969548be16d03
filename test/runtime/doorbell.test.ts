import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import { Doorbell } from '../../runtime/doorbell.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

let clock: VirtualClock;
let bell: Doorbell;

beforeEach(() => {
  clock = new VirtualClock();
  bell = new Doorbell();
});

/** Whether the wait has ended by now. */
function watched(wait: Promise<void>): { readonly ended: boolean } {
  const state = { ended: false };
  void wait.then(() => {
    state.ended = true;
  });
  return state;
}

describe('a wait ends', () => {
  test('at the next ring', async () => {
    const wait = watched(bell.wait(clock, 1000));
    await clock.advance(999);
    expect(wait.ended).toBe(false);
    bell.ring();
    await clock.advance(0);
    expect(wait.ended).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('after its time', async () => {
    const wait = watched(bell.wait(clock, 1000));
    await clock.advance(1000);
    expect(wait.ended).toBe(true);
  });

  test('at once when it rang while nobody waited, and only once for it', async () => {
    bell.ring();
    bell.ring();
    await bell.wait(clock, 1000);
    expect(clock.now()).toBe(0);
    const next = watched(bell.wait(clock, 1000));
    await clock.advance(999);
    expect(next.ended).toBe(false);
    await clock.advance(1);
    expect(next.ended).toBe(true);
  });

  test('when the signal aborts, without an error', async () => {
    const abort = new AbortController();
    const wait = bell.wait(clock, 1000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(wait).resolves.toBeUndefined();
    expect(clock.pending).toBe(0);
    await expect(bell.wait(clock, 1000, abort.signal)).resolves.toBeUndefined();
  });
});

test('without a limit it waits for as long as nobody rings', async () => {
  const wait = watched(bell.wait(clock, Number.POSITIVE_INFINITY));
  expect(clock.pending).toBe(0);
  await clock.advance(1e9);
  expect(wait.ended).toBe(false);
  bell.ring();
  await clock.advance(0);
  expect(wait.ended).toBe(true);
});

test('a thousand waits leave no listener on the signal', async () => {
  const { signal } = new AbortController();
  for (let i = 0; i < 1000; i++) {
    const wait = bell.wait(clock, 1000, signal);
    bell.ring();
    await wait;
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});
