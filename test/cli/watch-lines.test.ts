/** What `pilotfish watch` says of each update. */
import { expect, test } from 'vitest';
import { outputTo } from '../../cli/output.js';
import { type Line, linesFor, textOf } from '../../cli/watch-lines.js';
import type { Instance, Snapshot } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { diff, snapshotOf } from '../../registry/snapshot.js';
import type { WatchUpdate } from '../../registry/supervised.js';

const { paint } = outputTo({ write: () => {} }, undefined);

function instance(id: string, fields: object = {}): Instance {
  const parsed = parseInstance({ service: 'orders', id, host: '10.0.0.1', port: 80, ...fields });
  if (!parsed.ok) throw new Error('the test is wrong');
  return parsed.value;
}

function list(...instances: readonly Instance[]): Snapshot {
  return snapshotOf('orders', instances, 1);
}

function update(before: Snapshot | undefined, after: Snapshot): WatchUpdate {
  return { type: 'snapshot', snapshot: after, change: diff(before, after) };
}

const broken: WatchUpdate = { type: 'broken', error: new Error('connection\nlost') };

/** The lines for the updates in turn. */
function told(...updates: readonly WatchUpdate[]): readonly string[] {
  const lines = updates.flatMap((each, index): readonly Line[] => linesFor(each, updates[index - 1]?.type));
  return lines.map((line) => textOf(line, paint));
}

const a = instance('a');
const b = instance('b', { version: '2', tags: ['x', 'y'], zone: 'eu' });
const heavier = instance('a', { weight: 5 });

test('the first list is counted and shown', () => {
  expect(told(update(undefined, list(a, b)))).toEqual([
    '2 instances now',
    '+ a 10.0.0.1:80 weight 1, passing',
    '+ b 10.0.0.1:80 weight 1, passing, zone eu, version 2, tags x,y',
  ]);
});

test('later lists are told by what changed, an equal one by nothing', () => {
  const first = list(a, b);
  const [, , , ...later] = told(
    update(undefined, first),
    update(first, list(heavier)),
    update(list(heavier), list(heavier)),
  );
  expect(later).toEqual(['- b', '~ a 10.0.0.1:80 weight 5, passing']);
});

test('an outage is one line at its start and one at its end, with what changed meanwhile', () => {
  const first = list(a);
  const [, , ...later] = told(update(undefined, first), broken, broken, update(first, list(a, b)));
  expect(later).toEqual([
    '! the registry does not answer: connection lost',
    '= the registry answers again, 2 instances',
    '+ b 10.0.0.1:80 weight 1, passing, zone eu, version 2, tags x,y',
  ]);
});

test('a registry that was never there is told as well', () => {
  expect(told(broken, update(undefined, list(a)))).toEqual([
    '! the registry does not answer: connection lost',
    '= the registry answers again, 1 instance',
    '+ a 10.0.0.1:80 weight 1, passing',
  ]);
});

test('text from the registry cannot steer a terminal', () => {
  const hostile = instance('c', { zone: '\u001b[2J' });
  expect(told(update(undefined, list(hostile))).join('')).not.toContain('\u001b');
});
