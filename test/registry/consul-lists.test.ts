/** How a list of Consul becomes a snapshot: statuses, weights, addresses, ids, and entries that are none. */
import { describe, expect, test } from 'vitest';
import { decodeHealth } from '../../registry/consul/decode.js';
import { encodeEntry, metadataOf } from '../../registry/consul/entry.js';
import { indexOf, nextIndex } from '../../registry/consul/index-rules.js';
import { conditionOf } from '../../registry/consul/maintenance.js';
import { Pacer } from '../../registry/consul/pacer.js';
import type { Instance } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';

const check = (Status: string, CheckID = 'service:web-1', Notes = '') => ({ CheckID, Status, Notes });
const NODE = '_node_maintenance';
const SERVICE = '_service_maintenance:web-1';

function item(service: object = {}, checks: unknown = [check('passing')], node: object = {}): object {
  return {
    Node: { Node: 'n1', Address: '10.1.0.1', ...node },
    Service: { ID: 'web-1', Service: 'web', Address: '10.0.0.1', Port: 80, ...service },
    Checks: checks,
  };
}

function only(...items: unknown[]): Instance {
  const { instances, rejected } = decodeHealth('web', items);
  expect(rejected).toEqual([]);
  expect(instances).toHaveLength(1);
  return instances[0] as Instance;
}

function instance(fields: object = {}): Instance {
  const parsed = parseInstance({ service: 'web', id: 'a', host: '10.0.0.1', port: 80, ...fields });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

describe('the status of an entry', () => {
  test.each([
    ['no checks at all', [], 'passing'],
    ['all passing', [check('passing'), check('passing', 'serfHealth')], 'passing'],
    ['one warning', [check('passing'), check('warning')], 'warning'],
    ['one critical', [check('warning'), check('critical')], undefined],
    ['a status nobody knows', [check('sleepy')], undefined],
    ['the node in maintenance', [check('critical', NODE), check('passing')], 'maintenance'],
    ['the service in maintenance', [check('critical', SERVICE)], 'maintenance'],
    ['in maintenance and critical', [check('critical', SERVICE), check('critical')], undefined],
  ])('%s', (_, checks, expected) => {
    expect(conditionOf(checks, true)?.status).toBe(expected);
  });

  test.each([
    ['our own entry, to drain', true, ['pilotfish draining'], 'draining', undefined],
    [
      'our own entry, to drain, with a note',
      true,
      ['pilotfish draining: two\nlines'],
      'draining',
      'two\nlines',
    ],
    ['our own entry, with an empty note', true, ['pilotfish maintenance: '], 'maintenance', ''],
    ['our own entry, by somebody else', true, ['new disk'], 'maintenance', 'new disk'],
    [
      'our own entry, in words that are almost ours',
      true,
      ['pilotfish drained'],
      'maintenance',
      'pilotfish drained',
    ],
    ['a stranger, in our words', false, ['pilotfish draining: x'], 'maintenance', 'pilotfish draining: x'],
    [
      'ours to drain, on a node in maintenance',
      true,
      ['pilotfish draining', 'kernel'],
      'maintenance',
      'kernel',
    ],
    ['somebody else, without a reason', false, [undefined], 'maintenance', undefined],
    ['somebody else, with a very long reason', false, ['x'.repeat(5000)], 'maintenance', 'x'.repeat(1024)],
  ])('maintenance of %s', (_, ours, reasons, status, note) => {
    const checks = reasons.map((Notes, at) => ({
      CheckID: at === 0 ? SERVICE : NODE,
      Status: 'critical',
      Notes,
    }));
    expect(conditionOf([check('warning'), ...checks], ours)).toEqual({ status, note, health: 'warning' });
  });

  test('an entry that is critical is not in the list, and is no rejection', () => {
    expect(decodeHealth('web', [item({}, [check('critical')])])).toEqual({ instances: [], rejected: [] });
  });

  test('an entry whose checks are missing passes', () => {
    expect(only(item({}, null)).status).toBe('passing');
  });

  test('an entry in maintenance keeps the weight of its health', () => {
    const checks = [check('warning'), check('critical', SERVICE, 'new disk')];
    const found = only(item({ Weights: { Passing: 10, Warning: 3 } }, checks));
    expect(found).toMatchObject({ status: 'maintenance', note: 'new disk', weight: 3 });
  });
});

describe('an entry of another registrar', () => {
  test('is named after its node and its id, so that a second node with the same id changes no name', () => {
    const alone = only(item());
    const both = decodeHealth('web', [item(), item({}, [], { Node: 'n2' })]).instances;
    expect(alone.id).toBe('n1~web-1');
    expect(both.map(({ id }) => id).sort()).toEqual(['n1~web-1', 'n2~web-1']);
  });

  test('keeps apart ids that differ only in characters which no name may have', () => {
    const ids = decodeHealth('web', [
      item({ ID: 'a/b' }),
      item({ ID: 'a b' }),
      item({ ID: 'a=002fb' }),
    ]).instances;
    expect(new Set(ids.map(({ id }) => id)).size).toBe(3);
  });

  test('is reached at the address of its node when it has none', () => {
    expect(only(item({ Address: '' })).endpoint).toEqual({ host: '10.1.0.1', port: 80 });
  });

  test.each([
    ['passing', { Passing: 10, Warning: 1 }, 10],
    ['warning', { Passing: 10, Warning: 1 }, 1],
    ['warning', { Passing: 10, Warning: 0 }, 0],
    ['passing', undefined, 1],
  ])('that is %s with %j weighs %d', (status, Weights, weight) => {
    expect(only(item({ Weights }, [check(status)])).weight).toBe(weight);
  });

  test('tells zone and version by the usual keys and keeps all its metadata', () => {
    const found = only(item({ Tags: ['blue'], Meta: { zone: 'eu-1', version: '2', team: 'x' } }));
    expect(found).toMatchObject({ zone: 'eu-1', version: '2', tags: ['blue'] });
    expect({ ...found.metadata }).toEqual({ zone: 'eu-1', version: '2', team: 'x' });
  });

  test('with nulls where Consul writes nulls is valid', () => {
    expect(only(item({ Tags: null, Meta: null }))).toMatchObject({ tags: [], metadata: {} });
  });
});

describe('poison', () => {
  test.each([
    ['nothing', null],
    ['a number', 7],
    ['an empty object', {}],
    ['no node', { Service: { ID: 'x', Port: 1 } }],
    ['no id', item({ ID: '' })],
    ['port 0', item({ Port: 0 })],
    ['a port as text', item({ Port: '80' })],
    ['an address that is a URL', item({ Address: 'http://10.0.0.1' })],
    ['an address that climbs', item({ Address: '../../etc' })],
    ['a weight below zero', item({ Weights: { Passing: -1 } })],
    ['tags that are no list', item({ Tags: 'blue' })],
    ['a name of ours that is none', item({ Meta: { 'pilotfish-id': '../x' } })],
    ['an id without end', item({ ID: 'x'.repeat(10_000) })],
  ])('%s is rejected alone', (_, poison) => {
    const good = item({ ID: 'good' });
    const list = decodeHealth('web', [good, poison]);
    expect(list.instances.map(({ id }) => id)).toEqual(['n1~good']);
    expect(list.rejected).toHaveLength(1);
    expect(list.rejected[0]?.entry.length).toBeLessThanOrEqual(512);
  });

  test.each([
    ['of ours', { Meta: { 'pilotfish-id': 'a' } }, [check('passing')], 'a'],
    ['of ours that lost its metadata', { ID: 'web~a' }, [check('warning')], 'a'],
    ['of others', {}, [check('passing')], 'n1~web-1'],
    ['that was taken out of service', {}, [check('critical', SERVICE)], undefined],
  ])('%s says whose entry it is', (_, service, checks, id) => {
    expect(decodeHealth('web', [item({ ...service, Port: 0 }, checks)]).rejected).toMatchObject([{ id }]);
  });

  test.each([[{}], ['[]'], [null], [42]])('%j is no list and throws', (json) => {
    expect(() => decodeHealth('web', json)).toThrow(/expected a list/);
  });
});

describe('an entry of our own', () => {
  function written(one: Instance): object {
    const { id, name, address, port, tags, meta, weights, health, maintenanceId, reason } = encodeEntry(
      one,
      'owner-1',
    );
    const fields = {
      ID: id,
      Service: name,
      Address: address,
      Port: port,
      Tags: tags,
      Meta: meta,
      Weights: weights,
    };
    const maintenance = reason === undefined ? [] : [check('critical', maintenanceId, reason)];
    return item(fields, [check(health), ...maintenance]);
  }

  test.each([
    ['the least it may be', {}],
    [
      'every field',
      { zone: 'z', version: '1.2', tags: ['a', 'b'], metadata: { team: 'x' }, status: 'warning' },
    ],
    ['draining', { status: 'draining' }],
    ['in maintenance, with a note', { status: 'maintenance', note: 'new disk: 2 TB' }],
    ['passing, with a note', { note: 'on a new disk' }],
    ['weight 0', { weight: 0 }],
    ['a weight between whole numbers', { weight: 2.5, status: 'warning' }],
    ['the greatest weight', { weight: 65_535 }],
    ['IPv6', { host: '2001:db8::1' }],
  ])('comes back as it was: %s', (_, fields) => {
    const one = instance(fields);
    expect(only(written(one))).toEqual(one);
  });

  test.each([
    [0, 1],
    [0.2, 1],
    [1, 1],
    [2.5, 3],
    [65_535, 65_535],
  ])('weight %d is %d for clients of Consul that know no other', (weight, expected) => {
    expect(encodeEntry(instance({ weight }), 'o').weights).toEqual({ Passing: expected, Warning: expected });
  });

  test('that moved to another agent counts where it was written last (T18)', () => {
    const at = (host: string, ModifyIndex: number) =>
      item({ Address: host, ModifyIndex, Meta: { 'pilotfish-id': 'a' } });
    const { instances } = decodeHealth('web', [at('10.0.0.9', 20), at('10.0.0.8', 10)]);
    expect(instances.at(-1)?.endpoint.host).toBe('10.0.0.9');
  });

  test('has an id in Consul that another service with the same instance id does not have', () => {
    const other = instance({ service: 'api' });
    expect(encodeEntry(instance(), 'o').id).not.toBe(encodeEntry(other, 'o').id);
  });

  test('hides our own keys from its metadata', () => {
    expect(metadataOf(encodeEntry(instance({ metadata: { team: 'x' } }), 'o').meta)).toEqual({ team: 'x' });
  });

  test('that Consul cannot hold is refused with everything that is wrong', () => {
    const metadata = { 'a.b': '1', 'pilotfish-id': '2', 'consul-x': '3', long: 'é'.repeat(257) };
    const one = instance({ metadata, zone: 'z'.repeat(513) });
    expect(() => encodeEntry(one, 'o')).toThrow(
      /"a\.b"[\s\S]*"pilotfish-id"[\s\S]*"consul-x"[\s\S]*at metadata\.long[\s\S]*at zone/,
    );
  });

  test('with more keys than Consul takes is refused', () => {
    const metadata = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`k${at}`, 'v']));
    expect(() => encodeEntry(instance({ metadata }), 'o')).toThrow(/at most 61 keys/);
  });
});

describe('the index', () => {
  test.each([
    ['7', 7],
    ['0', undefined],
    ['-1', undefined],
    ['7.5', undefined],
    ['abc', undefined],
    ['', undefined],
    [undefined, undefined],
    ['99999999999999999999', undefined],
  ])('%j is read as %j', (header, expected) => {
    expect(indexOf(header)).toBe(expected);
  });

  test.each([
    ['goes on', 5, 9, 9],
    ['stays', 5, 5, 5],
    ['went back', 9, 5, 0],
    ['cannot be used', 9, undefined, 0],
  ])('that %s: asked with %d, answered %j, next %d', (_, asked, answered, expected) => {
    expect(nextIndex(asked, answered)).toBe(expected);
  });
});

describe('the pacer', () => {
  /** When each of `count` queries goes out that are answered at once. */
  function times(count: number, news: boolean): number[] {
    const pacer = new Pacer();
    const sent: number[] = [];
    for (let now = 0; sent.length < count; pacer.answered(news)) {
      now += pacer.take(now);
      sent.push(now);
    }
    return sent;
  }

  test('lets two go at once and then twenty a second while there is news', () => {
    expect(times(5, true)).toEqual([0, 0, 50, 100, 150]);
  });

  test('does not hold news back that comes after an answer without any', () => {
    const pacer = new Pacer();
    pacer.answered(true);
    pacer.take(0);
    pacer.answered(false);
    expect(pacer.take(100)).toBe(0);
  });

  test('slows down to one in two seconds while there is none', () => {
    const sent = times(20, false);
    expect((sent[19] as number) - (sent[18] as number)).toBe(2000);
  });

  test('is generous again after a pause', () => {
    const pacer = new Pacer();
    for (let turn = 0; turn < 5; turn++) pacer.take(0);
    expect([pacer.take(60_000), pacer.take(60_000)]).toEqual([0, 0]);
  });
});
