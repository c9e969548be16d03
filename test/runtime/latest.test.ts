import { describe, expect, test } from 'vitest';
import { Latest } from '../../runtime/latest.js';

async function collect<T>(values: AsyncIterable<T>): Promise<readonly T[]> {
  const seen: T[] = [];
  for await (const value of values) seen.push(value);
  return seen;
}

/** Lets a waiting consumer take what it can. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a slow consumer sees the newest value and none of those between', async () => {
  const latest = new Latest<number>();
  latest.push(1);
  latest.push(2);
  latest.push(3);
  latest.end();
  expect(await collect(latest)).toEqual([3]);
});

test('a quick consumer sees every value', async () => {
  const latest = new Latest<number>();
  const seen = collect(latest);
  for (const value of [1, 2, 3]) {
    latest.push(value);
    await turn();
  }
  latest.end();
  expect(await seen).toEqual([1, 2, 3]);
});

test('values that come while the consumer works are not lost', async () => {
  const latest = new Latest<number>();
  const seen: number[] = [];
  latest.push(1);
  for await (const value of latest) {
    seen.push(value);
    if (value === 1) for (const next of [2, 3]) latest.push(next);
    if (value === 3) latest.end();
  }
  expect(seen).toEqual([1, 3]);
});

test('undefined is a value like any other', async () => {
  const latest = new Latest<undefined>();
  latest.push(undefined);
  latest.end();
  expect(await collect(latest)).toEqual([undefined]);
});

describe('the end', () => {
  test('comes after the last value', async () => {
    const latest = new Latest<string>();
    const seen = collect(latest);
    latest.push('last');
    latest.end();
    latest.push('too late');
    expect(await seen).toEqual(['last']);
  });

  test('wakes a waiting consumer', async () => {
    const latest = new Latest<string>();
    const seen = collect(latest);
    await turn();
    latest.end();
    expect(await seen).toEqual([]);
  });
});

describe('a failure', () => {
  test('drops the value that nobody has seen: it may be wrong by now', async () => {
    const latest = new Latest<string>();
    latest.push('unseen');
    latest.fail(new Error('connection lost'));
    await expect(collect(latest)).rejects.toThrow('connection lost');
  });

  test('wakes a waiting consumer', async () => {
    const latest = new Latest<string>();
    const seen = collect(latest);
    await turn();
    latest.fail(new Error('connection lost'));
    await expect(seen).rejects.toThrow('connection lost');
  });

  test('may be undefined and is thrown all the same', async () => {
    const latest = new Latest<string>();
    latest.fail(undefined);
    await expect(collect(latest)).rejects.toBeUndefined();
  });

  test('after the end changes nothing, and neither does an end after it', async () => {
    const ended = new Latest<string>();
    ended.push('last');
    ended.end();
    ended.fail(new Error('too late'));
    expect(await collect(ended)).toEqual(['last']);
    const failed = new Latest<string>();
    failed.fail(new Error('first'));
    failed.end();
    failed.fail(new Error('second'));
    await expect(collect(failed)).rejects.toThrow('first');
  });
});
