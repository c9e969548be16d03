import { expect, it } from 'vitest';
import { exposedGc } from '../../../bench/garbage.js';
import { EndpointPools } from '../../../resolver/http/endpoint-pools.js';
import { loadUndici } from '../../../resolver/http/undici.js';
import { nextTurn } from '../../../runtime/next-turn.js';
import { instance } from '../memory-registry.js';

it('an endpoint has one pool, however many instances of it a policy makes, and none of those is kept', async () => {
  const pools = new EndpointPools(loadUndici(), 'http://orders', {});
  const listed = instance({ id: 'a' });
  const pool = pools.get(listed);
  const made = Array.from({ length: 100 }, () => {
    const copy = { ...listed };
    expect(pools.get(copy)).toBe(pool);
    return new WeakRef(copy);
  });
  await nextTurn();
  exposedGc()();
  expect(made.filter((each) => each.deref() !== undefined)).toHaveLength(0);
  expect(pools.get(listed)).toBe(pool);
  await pools.destroy();
});
