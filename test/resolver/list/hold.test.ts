import { describe, expect, it, test } from 'vitest';
import type { Instance } from '../../../registry/contract.js';
import { diff, snapshotOf } from '../../../registry/snapshot.js';
import {
  AT_ONCE_MS,
  afterFailures,
  afterList,
  afterTime,
  type HoldState,
  NOTHING_HELD,
  nextEndMs,
} from '../../../resolver/list/hold.js';
import { instance } from '../memory-registry.js';

const RULE = { holdMs: 90_000, share: 0.5 };

/** `a` is at port 97, `b` at 98, …; `a!` drains, `a?` is in maintenance, `a0` has weight 0, `A` is at the port of `a`. */
function parse(text: string): Instance[] {
  return text.split(' ').flatMap((word) => {
    const [id = '', mark = ''] = word;
    if (id === '') return [];
    const status = { '!': 'draining', '?': 'maintenance' }[mark] as 'draining' | undefined;
    const port = id.toLowerCase().charCodeAt(0);
    return [instance({ id, port, weight: mark === '0' ? 0 : 1, ...(status && { status }) })];
  });
}

interface Moment {
  readonly at?: number;
  readonly inTrouble?: boolean;
}

/** Plays lists, one after the other, and returns the state after the last. */
function play(
  lists: readonly string[],
  { at = 0, inTrouble = false }: Moment = {},
  from = NOTHING_HELD,
): HoldState {
  const [first = '', ...rest] = lists;
  let before = snapshotOf('orders', parse(first), 0);
  let state = from;
  for (const text of rest) {
    const after = snapshotOf('orders', parse(text), 0);
    const { removed } = diff(before, after);
    const step = { before: before.instances, after: after.instances, removed, nowMs: at, inTrouble };
    state = afterList(state, step, RULE);
    before = after;
  }
  return state;
}

const heldIn = ({ held }: HoldState): string => [...held.keys()].sort().join(' ');

describe('what is held after a registry that is well (T26)', () => {
  it.each([
    ['one of one: its sidecar took it out', ['a', ''], ''],
    ['one of two', ['a b', 'a'], ''],
    ['half of the list', ['a b c d', 'a b'], ''],
    ['more than half', ['a b c', 'a'], 'b c'],
    ['all of two', ['a b', ''], 'a b'],
    ['all of many', ['a b c d e', ''], 'a b c d e'],
    ['all, each of which said before that it leaves', ['a b c', 'a! b? c0', ''], ''],
    ['those that said nothing, beside one that drained', ['a! b c', ''], 'b c'],
    ['one by one: the rest, once more than half is gone', ['a b c d', 'a b c', 'a b', 'a', ''], 'a b'],
    ['two of two, one after the other', ['a b', 'a', ''], 'a'],
    ['the whole list for another one: the new one is believed', ['a b c', 'd e f'], ''],
    ['the whole list for a much shorter one', ['a b c', 'd'], 'a b c'],
    ['those that are back are held no more', ['a b c', '', 'a'], 'b c'],
    ['those that are back at their address under a new id', ['a b c', '', 'A'], 'b c'],
    ['further ones of a list that is held already', ['a b c d e', 'd e', 'e'], 'a b c d'],
    ['nothing, as data of an instance changes', ['a b', 'a! b!'], ''],
  ])('%s', (_, lists, held) => {
    expect(heldIn(play(lists))).toBe(held);
  });
});

test('after a registry that was away, what is missing is held when it is more than the share of the list', () => {
  const all = Array.from({ length: 200 }, (_, n) => instance({ id: `i${n}`, port: n + 1 }));
  for (const share of [0, 0.1, 0.3, 0.5, 0.7, 1]) {
    for (let missing = 1; missing <= 200; missing++) {
      const step = {
        before: all,
        after: snapshotOf('orders', all.slice(missing), 0).instances,
        removed: all.slice(0, missing),
        nowMs: 0,
        inTrouble: true,
      };
      const { held } = afterList(NOTHING_HELD, step, { holdMs: 1, share });
      expect(held.size).toBe(missing > share * 200 ? missing : 0);
    }
  }
});

describe('what is held after a registry that was away', () => {
  it.each([
    ['one of one', ['a', ''], 'a'],
    ['one of two', ['a b', 'a'], ''],
    ['the whole list, although there is another: it may be an old one', ['a b c', 'd e f'], 'a b c'],
    ['one that said that it leaves', ['a!', ''], ''],
  ])('%s', (_, lists, held) => {
    expect(heldIn(play(lists, { inTrouble: true }))).toBe(held);
  });
});

describe('a hold', () => {
  it('says why and until when', () => {
    const { held } = play(['a b c', ''], { at: 5 });
    expect(held.get('a')).toMatchObject({ reason: 'empty', untilMs: 90_005 });
    expect(play(['a b c', 'a']).held.get('b')).toMatchObject({ reason: 'mass removal' });
  });

  it('ends at its time', () => {
    const state = play(['a b', '']);
    expect(nextEndMs(state)).toBe(90_000);
    expect(heldIn(afterTime(state, 89_999))).toBe('a b');
    expect(heldIn(afterTime(state, 90_000))).toBe('');
    expect(nextEndMs(NOTHING_HELD)).toBeUndefined();
  });

  it('ends for those that fail, and for nobody who was held anew meanwhile', () => {
    const state = play(['a b', '']);
    const a = state.held.get('a');
    expect(heldIn(afterFailures(state, new Set(a && [a])))).toBe('b');
    expect(heldIn(afterFailures(play(['a b', '']), new Set(a && [a])))).toBe('a b');
  });

  it('is for what happens at once: those that left long ago do not count', () => {
    const state = play(['a b c d', 'a b']);
    expect(heldIn(play(['a b', 'a'], { at: AT_ONCE_MS - 1 }, state))).toBe('b');
    expect(heldIn(play(['a b', 'a'], { at: AT_ONCE_MS }, state))).toBe('');
  });

  it('costs nothing while nobody leaves', () => {
    expect(play(['a b', 'a b c'])).toBe(NOTHING_HELD);
  });
});
