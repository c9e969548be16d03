import { expect, test } from 'vitest';
import { activeStandby } from '../../examples/custom-policy.js';
import { filtered, type Pick } from '../../resolver/index.js';
import { instances } from '../resolver/memory-registry.js';
import { Chain, picked } from '../resolver/picking.js';

test('one endpoint does all the work', () => {
  const chain = new Chain(activeStandby());
  expect(new Set(picked(chain.list(instances(['a', 'b', 'c'])), 10))).toEqual(new Set(['a']));
});

test('a failure hands over to the next, and late failures of the one before do not', () => {
  const picker = new Chain(activeStandby()).list(instances(['a', 'b', 'c']));
  const [first, second] = [picker.pick(), picker.pick()] as [Pick, Pick];
  first.done('cancelled');
  expect(picker.pick()?.instance.id).toBe('a');
  first.done('error');
  second.done('error');
  expect(picker.pick()?.instance.id).toBe('b');
});

test('the active one stays active when the list changes, and may leave', () => {
  const chain = new Chain(activeStandby());
  chain
    .list(instances(['b', 'c']))
    .pick()
    ?.done('error');
  expect(picked(chain.list(instances(['a', 'b', 'c'])), 1)).toEqual(['c']);
  expect(picked(chain.list(instances(['a', 'b'])), 1)).toEqual(['a']);
});

test('filters take it as they take any other', () => {
  const chain = new Chain(filtered({ version: '2' }, activeStandby()));
  expect(chain.list(instances(['a'])).pick()).toBeUndefined();
});
