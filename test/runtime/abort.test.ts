import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { abortable, linkedAbort, withDeadline } from '../../runtime/abort.js';
import { deferred } from '../../runtime/deferred.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { StallingClock } from '../helpers/stalling-clock.js';

const enough = new Error('enough');
const never = new Promise<never>(() => {});

describe('a linked signal', () => {
  test('aborts with its parent, for the same reason', () => {
    const parent = new AbortController();
    const link = linkedAbort(parent.signal);
    expect(link.signal.aborted).toBe(false);
    parent.abort(enough);
    expect(link.signal.reason).toBe(enough);
  });

  test('is aborted from the start when its parent is', () => {
    expect(linkedAbort(AbortSignal.abort(enough)).signal.reason).toBe(enough);
  });

  test('aborts by hand without its parent, and the first reason stays', () => {
    const parent = new AbortController();
    const link = linkedAbort(parent.signal);
    link.abort(enough);
    link.abort(new Error('again'));
    parent.abort(new Error('late'));
    expect(link.signal.reason).toBe(enough);
  });

  test('lets go of its parent when released', () => {
    const parent = new AbortController();
    const link = linkedAbort(parent.signal);
    link.release();
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
    parent.abort(enough);
    expect(link.signal.aborted).toBe(false);
  });

  test('needs no parent', () => {
    const link = linkedAbort();
    link.abort(enough);
    link.release();
    expect(link.signal.reason).toBe(enough);
  });
});

describe('work under a deadline', () => {
  test('gives its result and leaves no timer and no listener', async () => {
    const clock = new VirtualClock();
    const parent = new AbortController();
    expect(await withDeadline(clock, 100, 'it', parent.signal, async () => 42)).toBe(42);
    expect(clock.pending).toBe(0);
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
  });

  test('is rejected at the deadline even when it ignores the signal, and the error names it', async () => {
    const clock = new VirtualClock();
    const result = withDeadline(clock, 100, 'reading the list', undefined, () => never).catch((e) => e);
    await clock.advance(100);
    expect(await result).toMatchObject({
      code: 'TIMEOUT',
      message: 'reading the list took longer than 100 ms',
    });
    expect(clock.pending).toBe(0);
  });

  test('has what arrived while this process stood still over the deadline', async () => {
    const clock = new StallingClock();
    const answer = deferred<string>();
    const result = withDeadline(clock, 100, 'it', undefined, () => answer.promise);
    // What the deadline is for is read from its socket after the timers.
    clock.after(100, () => answer.resolve('arrived'));
    clock.stall(500);
    await clock.timers.advance(100);
    expect(await result).toBe('arrived');
    expect(clock.timers.pending).toBe(0);
  });

  test('is rejected a turn later when nothing arrived while this process stood still', async () => {
    const clock = new StallingClock();
    const result = withDeadline(clock, 100, 'it', undefined, () => never).catch((e) => e);
    clock.stall(500);
    await clock.timers.advance(100);
    expect(await result).toMatchObject({ code: 'TIMEOUT' });
  });

  test('sees its signal abort at the deadline, not before', async () => {
    const clock = new VirtualClock();
    let seen: AbortSignal | undefined;
    const result = withDeadline(clock, 100, 'it', undefined, (signal) => {
      seen = signal;
      return never;
    }).catch(() => {});
    await clock.advance(99);
    expect(seen?.aborted).toBe(false);
    await clock.advance(1);
    expect(seen?.reason).toMatchObject({ code: 'TIMEOUT' });
    await result;
  });

  test('is rejected with the reason of its parent', async () => {
    const clock = new VirtualClock();
    const parent = new AbortController();
    const result = withDeadline(clock, 100, 'it', parent.signal, () => never);
    parent.abort(enough);
    await expect(result).rejects.toBe(enough);
    expect(clock.pending).toBe(0);
  });

  test('passes its own failure on, also one before its first await', async () => {
    const clock = new VirtualClock();
    const fails = (): Promise<never> => {
      throw enough;
    };
    await expect(withDeadline(clock, 100, 'it', undefined, fails)).rejects.toBe(enough);
    await expect(withDeadline(clock, 100, 'it', undefined, () => Promise.reject(enough))).rejects.toBe(
      enough,
    );
    expect(clock.pending).toBe(0);
  });
});

describe('an abortable promise', () => {
  test('without a signal is the promise itself', () => {
    const promise = Promise.resolve(1);
    expect(abortable(promise, undefined)).toBe(promise);
  });

  test('settles as the promise does and lets go of the signal', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(enough), signal)).rejects.toBe(enough);
    await Promise.resolve();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('is rejected as soon as the signal aborts, or at once when it has', async () => {
    const abort = new AbortController();
    const waiting = abortable(never, abort.signal);
    abort.abort(enough);
    await expect(waiting).rejects.toBe(enough);
    await expect(abortable(never, abort.signal)).rejects.toBe(enough);
  });

  test('a promise that fails after the abort is no unhandled rejection', async () => {
    const late = deferred<void>();
    await expect(abortable(late.promise, AbortSignal.abort(enough))).rejects.toBe(enough);
    late.reject(new Error('nobody waits for this'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
