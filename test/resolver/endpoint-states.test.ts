import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { EndpointStates } from '../../resolver/index.js';
import { instance, instances } from './memory-registry.js';

function counter(): () => number {
  let made = 0;
  return () => ++made;
}

test('an endpoint keeps its state when the list or its own data change (T7)', () => {
  const create = counter();
  const first = new EndpointStates(instances(['a', 'c']), undefined, 0, create);
  const changed = [instance({ id: 'a', weight: 7 }), ...instances(['b', 'c'])];
  expect(first.current).toEqual([1, 2]);
  expect(new EndpointStates(changed, first, 10, create).current).toEqual([1, 3, 2]);
});

test('the same id at another address is another endpoint (T17)', () => {
  const create = counter();
  const first = new EndpointStates(instances(['a']), undefined, 0, create);
  const moved = [instance({ id: 'a', port: 81 })];
  expect(new EndpointStates(moved, first, 10, create).current).toEqual([2]);
});

test.each([
  { awayMs: 59_999, state: 1 },
  { awayMs: 60_000, state: 3 },
])('an endpoint that comes back after $awayMs ms has the state $state (T17)', ({ awayMs, state }) => {
  const create = counter();
  const both = new EndpointStates(instances(['a', 'b']), undefined, 0, create);
  const one = new EndpointStates(instances(['b']), both, 1000, create);
  const still = new EndpointStates(instances(['b']), one, 1000 + awayMs, create);
  expect(new EndpointStates(instances(['a']), still, 1000 + awayMs, create).current).toEqual([state]);
});

test('what left for good is forgotten: only the list and who left in the last minute are remembered (T19)', () => {
  const step = fc.record({ members: fc.uniqueArray(fc.nat(30)), ms: fc.nat(40_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let states: EndpointStates<number> | undefined;
      let nowMs = 0;
      const lastSeen = new Map<number, number>();
      let listed: readonly number[] = [];
      for (const { members, ms } of steps) {
        nowMs += ms;
        // One that is missing has left now: until then it was on the list.
        for (const n of [...listed, ...members]) lastSeen.set(n, nowMs);
        states = new EndpointStates(instances(members.map((n) => `i${n}`)), states, nowMs, () => 0);
        listed = members;
        const lately = [...lastSeen.values()].filter((at) => nowMs - at < 60_000);
        expect(states.size).toBe(lately.length);
      }
    }),
  );
});

test('states are found by endpoint after any changes, asked for or not in between', () => {
  const create = counter();
  const lists = ['a b c', 'b c d', 'a d', 'a b c d'].map((ids) => instances(ids.split(' ')));
  let states = new EndpointStates(lists[0] as Instance[], undefined, 0, create);
  for (const [step, list] of lists.entries()) {
    states = new EndpointStates(list, states, step, create);
    if (step !== 1) expect(list.map((each) => states.find(each))).toEqual(states.current);
  }
  expect(states.current).toEqual([1, 2, 3, 4]);
  const moved = [instance({ id: 'a', port: 81 }), ...instances(['b'])];
  states = new EndpointStates(moved, states, 10, create);
  expect(moved.map((each) => states.find(each))).toEqual([5, 2]);
  expect(states.find(instance({ id: 'a' }))).toBeUndefined();
  expect(instances(['c', 'd', 'e']).map((each) => states.find(each))).toEqual([3, 4, undefined]);
});

test('the order of a list is of no account', () => {
  const create = counter();
  const first = new EndpointStates(instances(['b', 'a', 'd']), undefined, 0, create);
  const second = new EndpointStates(instances(['d', 'c', 'b', 'a']), first, 0, create);
  expect(second.current).toEqual([3, 4, 1, 2]);
  expect(second.size).toBe(4);
});
