import { afterEach, expect, test } from 'vitest';
import { Emitter } from '../../runtime/events.js';

const kept = process.listeners('uncaughtException');
afterEach(() => {
  process.removeAllListeners('uncaughtException');
  for (const listener of kept) process.on('uncaughtException', listener);
});

/** Resolves with the next error that nobody caught, instead of the test runner. */
function nextUncaught(): Promise<Error> {
  process.removeAllListeners('uncaughtException');
  return new Promise((resolve) => process.once('uncaughtException', resolve));
}

test('listeners are called with the value, in the order in which they subscribed', () => {
  const emitter = new Emitter<string>();
  const heard: string[] = [];
  emitter.event((value) => heard.push(`first ${value}`));
  emitter.event((value) => heard.push(`second ${value}`));
  emitter.emit('a');
  expect(heard).toEqual(['first a', 'second a']);
});

test('an ended subscription hears nothing more; ending it again does nothing', () => {
  const emitter = new Emitter<number>();
  const heard: number[] = [];
  const end = emitter.event((value) => heard.push(value));
  emitter.emit(1);
  end();
  end();
  emitter.emit(2);
  expect(heard).toEqual([1]);
});

test('the same function subscribed twice is two subscriptions', () => {
  const emitter = new Emitter<number>();
  let calls = 0;
  const listener = (): void => {
    calls++;
  };
  const end = emitter.event(listener);
  emitter.event(listener);
  emitter.emit(1);
  end();
  emitter.emit(2);
  expect(calls).toBe(3);
});

test('a listener may subscribe and unsubscribe while it is called; that counts from the next value on', () => {
  const emitter = new Emitter<number>();
  const heard: string[] = [];
  const end = emitter.event((value) => {
    end();
    emitter.event((later) => heard.push(`late ${later}`));
    heard.push(`once ${value}`);
  });
  emitter.emit(1);
  expect(heard).toEqual(['once 1']);
  emitter.emit(2);
  expect(heard).toEqual(['once 1', 'late 2']);
});

test('a listener that throws stops no other, and its error is not swallowed', async () => {
  const uncaught = nextUncaught();
  const emitter = new Emitter<number>();
  const heard: number[] = [];
  emitter.event(() => {
    throw new Error('a listener broke');
  });
  emitter.event((value) => heard.push(value));
  emitter.emit(7);
  expect(heard).toEqual([7]);
  expect((await uncaught).message).toBe('a listener broke');
});
