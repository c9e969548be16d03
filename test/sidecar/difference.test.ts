import { describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/harness.js';
import { differenceOf, keyOf, sameProbes } from '../../sidecar/difference.js';
import type { ServicePlan } from '../../sidecar/plan.js';
import { load } from '../helpers/config.js';

async function plan(service: object, more: Partial<ServicePlan> = {}): Promise<ServicePlan> {
  const { config } = await load({ file: { services: [{ name: 'a', id: 'one', port: 1, ...service }] } });
  const [only] = config.services;
  if (only === undefined) throw new Error('expected a service');
  const instance = { ...instanceOf({ service: only.name, id: only.id }), weight: only.weight };
  return { config: only, instance, probes: [], heartbeatSecret: undefined, ...more };
}

describe('the difference between two plans', () => {
  test('names what comes, goes, changes and stays', async () => {
    const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map((name) => plan({ name })));
    const changed = await plan({ name: 'b', weight: 5 });
    const found = differenceOf([a, b, c] as ServicePlan[], [a, changed, d] as ServicePlan[]);
    expect({ ...found, added: found.added.map(keyOf), changed: found.changed.map(keyOf) }).toEqual({
      added: ['d/one'],
      removed: ['c/one'],
      changed: ['b/one'],
      unchanged: ['a/one'],
    });
  });

  test.each<[string, object, Partial<ServicePlan>]>([
    ['its weight', { weight: 2 }, {}],
    ['a tag', { tags: ['x'] }, {}],
    ['a probe', { probes: ['http:/'] }, {}],
    ['the schedule', { interval: '9s' }, {}],
    ['how many probes must pass', { require: 'any' }, {}],
    ['where its work in flight is read', { inFlight: { url: 'http://127.0.0.1/' } }, {}],
    ['the secret in a file of the same name', {}, { heartbeatSecret: 'another' }],
    [
      'the address that was detected',
      {},
      { instance: { ...instanceOf({ service: 'a', id: 'one' }), endpoint: { host: '10.9.9.9', port: 1 } } },
    ],
  ])('sees a change of %s', async (_, service, more) => {
    const found = differenceOf([await plan({})], [await plan(service, more)]);
    expect([found.changed.length, found.unchanged.length]).toEqual([1, 0]);
  });

  test('takes another id for another instance', async () => {
    const found = differenceOf([await plan({})], [await plan({ id: 'two' })]);
    expect([found.removed, found.added.map(keyOf)]).toEqual([['a/one'], ['a/two']]);
  });
});

test.each<[object, boolean]>([
  [{ weight: 2, tags: ['x'] }, true],
  [{ probes: ['tcp', 'http:/'] }, false],
  [{ fall: 9 }, false],
  [{ require: { atLeast: 1 } }, false],
])('the probes of a service with %j are the same: %s', async (service, expected) => {
  expect(sameProbes(await plan({}), await plan(service))).toBe(expected);
});
