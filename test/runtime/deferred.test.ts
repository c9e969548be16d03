import { expect, test } from 'vitest';
import { deferred } from '../../runtime/deferred.js';

test('a promise that is settled from outside, once', async () => {
  const yes = deferred<number>();
  yes.resolve(1);
  yes.resolve(2);
  yes.reject(new Error('too late'));
  expect(await yes.promise).toBe(1);
  const no = deferred<number>();
  no.reject(new Error('no'));
  await expect(no.promise).rejects.toThrow('no');
});
