import { describe, expect, test } from 'vitest';
import { CloseStack } from '../../runtime/close-stack.js';
import { deferred } from '../../runtime/deferred.js';

describe('closing', () => {
  test('goes from the last opened to the first, each after the one before has ended', async () => {
    const stack = new CloseStack();
    const steps: string[] = [];
    for (const name of ['first', 'second', 'third']) {
      stack.defer(async () => {
        steps.push(`${name} begins`);
        await undefined;
        steps.push(`${name} ended`);
      });
    }
    await stack.close();
    expect(steps).toEqual([
      ...['third begins', 'third ended', 'second begins', 'second ended', 'first begins', 'first ended'],
    ]);
  });

  test('happens once, however often it is asked for', async () => {
    const stack = new CloseStack();
    let runs = 0;
    const gate = deferred<void>();
    stack.defer(() => {
      runs++;
      return gate.promise;
    });
    const [one, two] = [stack.close(), stack.close()];
    gate.resolve();
    await Promise.all([one, two, stack.close()]);
    expect(runs).toBe(1);
  });

  test('goes on past closers that fail, sync or async, and tells of all of them', async () => {
    const stack = new CloseStack();
    const closed: string[] = [];
    stack.defer(() => void closed.push('first'));
    stack.defer(() => {
      throw new Error('sync');
    });
    stack.defer(() => Promise.reject(new Error('async')));
    stack.defer(() => void closed.push('last'));
    const error: unknown = await stack.close().catch((reason) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map(({ message }) => message)).toEqual(['async', 'sync']);
    expect(closed).toEqual(['last', 'first']);
    await expect(stack.close()).rejects.toBe(error);
  });

  test('of an empty stack succeeds', async () => {
    const stack = new CloseStack();
    expect(stack.closed).toBe(false);
    await stack.close();
    expect(stack.closed).toBe(true);
  });
});

test('what has ended by itself is taken off', async () => {
  const stack = new CloseStack();
  const closed: string[] = [];
  const release = stack.defer(() => void closed.push('ended before'));
  stack.defer(() => void closed.push('still open'));
  release();
  release();
  await stack.close();
  expect(closed).toEqual(['still open']);
});

test('what is opened after closing is closed at once', async () => {
  const stack = new CloseStack();
  const gate = deferred<void>();
  stack.defer(() => gate.promise);
  const closing = stack.close();
  let closed = false;
  stack.defer(() => {
    closed = true;
  });
  expect(closed).toBe(true);
  gate.resolve();
  await closing;
});
