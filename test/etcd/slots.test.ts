import { expect, test } from 'vitest';
import { Slots } from '../../registry/etcd/slots.js';
import { deferred } from '../../runtime/deferred.js';
import { nextTurn } from '../../runtime/next-turn.js';

test('no more than there are slots go on at a time, in order, and one that fails gives its slot back', async () => {
  const slots = new Slots(2);
  const ends = Array.from({ length: 4 }, () => deferred<void>());
  const began: number[] = [];
  const all = ends.map(({ promise }, at) =>
    slots.run(undefined, () => {
      began.push(at);
      return promise;
    }),
  );
  await nextTurn();
  expect(began).toEqual([0, 1]);
  ends[1]?.reject(new Error('failed'));
  await expect(all[1]).rejects.toThrow('failed');
  await nextTurn();
  expect(began).toEqual([0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.all([all[0], all[2], all[3]]);
  expect(began).toEqual([0, 1, 2, 3]);
});

test('one that no longer wants to wait leaves no slot behind taken', async () => {
  const slots = new Slots(1);
  const end = deferred<void>();
  const first = slots.run(undefined, () => end.promise);
  const abort = new AbortController();
  const second = slots.run(abort.signal, async () => 'never');
  abort.abort(new Error('changed my mind'));
  await expect(second).rejects.toThrow('changed my mind');
  end.resolve();
  await first;
  expect(await slots.run(undefined, async () => 'third')).toBe('third');
});
