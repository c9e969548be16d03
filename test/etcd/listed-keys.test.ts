import { expect, test } from 'vitest';
import type { KeyValue, WatchEvent } from '../../registry/etcd/decode.js';
import { ListedKeys } from '../../registry/etcd/listed-keys.js';
import type { Format } from '../../registry/formats/format.js';
import { goZero } from '../../registry/formats/go-zero.js';
import { encodeInstance, pilotfish } from '../../registry/formats/pilotfish.js';
import { instanceOf } from '../../registry/testing/index.js';
import { below, seededRandom } from '../../runtime/random.js';

const kvOf = (id: string, modRevision: number, weight = 1): KeyValue => ({
  key: `it/web/${id}`,
  value: encodeInstance(instanceOf({ service: 'web', id, weight })),
  modRevision,
  lease: '1',
});

function listed(): ListedKeys {
  return new ListedKeys('web', 'it/web/', pilotfish);
}

test('a list that is older than the events since changes nothing', () => {
  const keys = listed();
  keys.replace([keys.read(kvOf('a', 3))], 5);
  keys.apply([{ type: 'put', kv: kvOf('b', 9) }]);
  keys.replace([keys.read(kvOf('a', 3))], 8);
  expect(keys.snapshot().instances.map(({ id }) => id)).toEqual(['a', 'b']);
  keys.replace([keys.read(kvOf('a', 3))], 10);
  expect(keys.snapshot().instances.map(({ id }) => id)).toEqual(['a']);
});

test('several changes of one revision are all taken, and an entry that is no instance is rejected until it is one', () => {
  const keys = listed();
  keys.replace([], 1);
  const poison = { ...kvOf('p', 2), value: Buffer.from('{') };
  keys.apply([
    { type: 'put', kv: kvOf('a', 2) },
    { type: 'put', kv: poison },
  ]);
  expect(keys.snapshot()).toMatchObject({
    instances: [{ id: 'a' }],
    rejected: [{ entry: 'p' }],
    revision: 2,
  });
  keys.apply([{ type: 'put', kv: kvOf('p', 3) }]);
  expect(keys.snapshot()).toMatchObject({ instances: [{ id: 'a' }, { id: 'p' }], rejected: [] });
});

test('an entry that is no instance says whose it is, as far as its name or what it said before tells', () => {
  const rejectionOf = (format: Pick<Format, 'name' | 'nameIsId' | 'decode'>) => {
    const keys = new ListedKeys('web', 'it/web/', format);
    const of = (value: string, modRevision: number): KeyValue => {
      return { key: 'it/web/eu/1', value: Buffer.from(value), modRevision, lease: '1' };
    };
    keys.replace([keys.read(of('10.0.0.1:80', 2))], 2);
    const before = keys.snapshot().instances.map(({ id }) => id);
    for (const [at, junk] of ['junk', 'more junk'].entries())
      keys.apply([{ type: 'put', kv: of(junk, 3 + at) }]);
    return [before, keys.snapshot().rejected.map(({ id }) => id)];
  };
  const named = { ...goZero, nameIsId: false };
  expect(rejectionOf(goZero)).toEqual([['eu=002f1'], ['eu=002f1']]);
  expect(rejectionOf(named)).toEqual([['eu=002f1'], ['eu=002f1']]);
});

test('whatever is repeated, late or listed in between, the list is that of the newest revision', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const truth = new Map<string, KeyValue>();
    const history: WatchEvent[] = [];
    const keys = listed();
    for (let revision = 1; revision <= 60; revision++) {
      const id = `i-${below(random, 6)}`;
      const kv = kvOf(id, revision, revision);
      const event: WatchEvent = { type: below(random, 3) === 0 ? 'delete' : 'put', kv };
      history.push(event);
      if (event.type === 'put') truth.set(id, kv);
      else truth.delete(id);
      const back = below(random, 4);
      for (const repeated of history.slice(-1 - back)) keys.apply([repeated]);
      for (const late of history.slice(0, back)) keys.apply([late]);
      if (below(random, 8) === 0)
        keys.replace(
          [...truth.values()].map((one) => keys.read(one)),
          revision,
        );
      if (below(random, 3) === 0) keys.snapshot();
    }
    const seen = keys.snapshot().instances.map(({ id, weight }) => [id, weight]);
    const expected = [...truth].map(([id, { modRevision }]) => [id, modRevision]);
    expect(seen).toEqual(expected.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
  }
});
