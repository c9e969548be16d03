import { describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { ETCD_FORMATS } from '../../registry/etcd/settings.js';
import type { Format } from '../../registry/formats/format.js';
import { type FormatName, loadFormat } from '../../registry/formats/index.js';
import { sameInstance } from '../../registry/instance.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { ZK_FORMATS } from '../../registry/zookeeper/settings.js';
import { printable } from '../../runtime/printable.js';
import { below, fraction, type Random, seededRandom } from '../../runtime/random.js';
import { knownBeside, SAMPLES } from './samples.js';

const ROUNDS = 300;
const NUMBER = '0000000042';

/** What is left of an instance in each format; all of it in pilotfish's own. */
const EXPRESSES: Readonly<Partial<Record<FormatName, (instance: Instance) => Instance>>> = {
  pilotfish: (instance) => instance,
  serverset: (instance) => instance,
  nerve: (instance) => ({ ...instance, weight: wholeWeight(instance.weight) }),
  'nerve-path': (instance) => ({ ...instance, weight: wholeWeight(instance.weight) }),
  spring: (instance) => instance,
  curator: ({ service, id, endpoint }) => instanceOf({ service, id, ...endpoint }),
  'host-port': ({ service, endpoint }) => instanceOf({ service, id: `s${endpoint.port}`, ...endpoint }),
  address: ({ service, endpoint }) =>
    instanceOf({ service, id: `${endpoint.host}:${endpoint.port}`, ...endpoint }),
};

function wholeWeight(weight: number): number {
  return weight === 0 ? 0 : Math.max(1, Math.round(weight));
}

const pick = <T>(random: Random, values: readonly T[]): T => values[below(random, values.length)] as T;

const TEXTS = ['', 'a', 'with space', 'ünï ☃ \u{1f41f}', '"quoted" \\ back', '{"a":1}', '10', 'null', '\n\t'];
const KEYS = ['owner', 'a.b', 'with space', 'ключ', 'payload', 'host', 'name', 'id', 'labels', '@klasse'];

function anyInstance(random: Random): Instance {
  const optional = <T>(value: T): T | undefined => (fraction(random) < 0.5 ? value : undefined);
  const some = (): string[] => TEXTS.filter(() => fraction(random) < 0.3);
  return instanceOf({
    service: 'web',
    id: pick(random, ['a', 'web-1', '10.0.0.1:8080', 'with_1', `x_${NUMBER}`, 'a=b,c@d~e+f']),
    host: pick(random, ['10.0.0.1', '2001:db8::1', 'web.internal', 'a_b']),
    port: 1 + below(random, 65_535),
    weight: pick(random, [0, 0.25, 1, 1, 2.5, 10, 65_535]),
    status: pick(random, ['passing', 'warning', 'draining', 'maintenance'] as const),
    note: optional(pick(random, TEXTS)),
    zone: optional(pick(random, TEXTS)),
    version: optional(pick(random, TEXTS)),
    tags: some(),
    metadata: Object.fromEntries(
      KEYS.filter(() => fraction(random) < 0.3).map((key) => [key, pick(random, TEXTS)]),
    ),
  });
}

describe.each(Object.entries(EXPRESSES))('%s', (name, expressed) => {
  test('gives back what it wrote, as far as it can say it', async () => {
    const format = await loadFormat(name as FormatName);
    const random = seededRandom(7);
    for (let round = 0; round < ROUNDS; round++) {
      const instance = anyInstance(random);
      const written = format.encode?.(instance, 1_700_000_000_000);
      if (written === undefined || format.hides?.(instance)) continue;
      const entry = { ...written, name: format.isSequential ? `${written.name}${NUMBER}` : written.name };
      const read = format.decode(format.needsData ? entry : { ...entry, data: undefined }, 'web');
      const wanted = expressed(instance);
      if (!read.ok || !sameInstance(read.value, wanted)) expect(read).toEqual({ ok: true, value: wanted });
    }
  });

  test('refuses to write what its readers would refuse to read', async () => {
    const format = await loadFormat(name as FormatName);
    const metadata = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key-${i}`, 'x'.repeat(1024)]));
    const large = instanceOf({ service: 'web', metadata });
    if (sameInstance(expressed(large), large))
      expect(() => format.encode?.(large, 0)).toThrow('expected at most 16384 bytes');
    else expect(format.decode(written(format, large), 'web').ok).toBe(true);
  });
});

function written(format: Format, instance: Instance): { name: string; data: Uint8Array } {
  return format.encode?.(instance, 0) as { name: string; data: Uint8Array };
}

/** *Expected X, got Y, at path*, as a log may show it. */
const isReason = (text: string): boolean =>
  /^expected .+, got .+, at .+/s.test(text) && printable(text, text.length) === text;

describe('hostile entries', () => {
  const DEEP = 50_000;
  const HOSTILE: readonly string[] = [
    '',
    'null',
    '0',
    '"text"',
    '[]',
    '[[],{}]',
    '{}',
    '{"__proto__":{"polluted":true},"constructor":1}',
    `${'['.repeat(4_000)}${']'.repeat(4_000)}`,
    `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`,
    `{"metadata":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    `{"labels":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)},"host":"a","port":1,"name":"a"}`,
    'x'.repeat(DEEP),
    '\u0000\u001b[31m\u202e',
    '{"host":"10.0.0.1","port":1e999}',
    '{"host":{"toString":null},"port":{},"name":[],"id":{},"address":[],"serviceEndpoint":[]}',
    '{"endpoints":[{"a":1},null,"PLAINTEXT://"],"host":null,"port":-1}',
    '{"status":"__proto__","serviceEndpoint":{"host":"10.0.0.1","port":80}}',
  ];
  const NAMES = [
    '',
    'a',
    '%',
    '%E0%A4%A',
    'member_',
    '..',
    'a/b',
    'base64_4_!!!!_0000000001',
    '\u0000',
    '17',
  ];
  const FORMATS = [...new Set(SAMPLES.map(({ format }) => format)), 'auto'] as const;

  test.each(FORMATS)('%s makes an instance of them or says why not, and never throws', async (name) => {
    const format = await loadFormat(name, { known: [...ZK_FORMATS, ...ETCD_FORMATS] });
    for (const entryName of NAMES) {
      for (const text of HOSTILE) {
        const read = format.decode({ name: entryName, data: Buffer.from(text) }, 'web');
        if (!read.ok) expect(read.error).toSatisfy(isReason);
      }
    }
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  test.each(SAMPLES)(
    '$format survives any damage to $what',
    async ({ format: name, data, service, ...sample }) => {
      const format = await loadFormat(name);
      const random = seededRandom(3);
      const text = data ?? sample.name;
      for (let round = 0; round < ROUNDS; round++) {
        const at = below(random, text.length);
        const damaged = `${text.slice(0, at)}${pick(random, ['', '"', '{', '\\', '9', '-', 'null', '%', '\u0000'])}${text.slice(at + below(random, 4))}`;
        const entry =
          data === undefined
            ? { name: damaged, data: undefined }
            : { name: sample.name, data: Buffer.from(damaged) };
        const read = format.decode(entry, service);
        if (!read.ok) expect(read.error).toMatch(/expected .+, got .+, at .+/s);
      }
    },
  );

  test.each([
    ['too many keys', (i: number) => [`key-${i}`, 'x'] as const, 64],
    ['texts that are too long', (i: number) => [`key-${i}`, 'x'.repeat(i < 3 ? 10 : 1_025)] as const, 3],
  ])('of labels with %s as many are kept as there may be', async (_what, label, kept) => {
    const labels = Object.fromEntries(Array.from({ length: kept === 3 ? 8 : 200 }, (_, i) => label(i)));
    const data = Buffer.from(JSON.stringify({ host: 'a', port: 1, name: 'a', labels }));
    const read = (await loadFormat('nerve')).decode({ name: 'a_0000000001', data }, 'web');
    expect(read.ok && Object.keys(read.value.metadata).length).toBe(kept);
  });
});

describe('an entry in another format', () => {
  test.each(SAMPLES.filter(({ format }) => format !== 'spring' && format !== 'pilotfish'))(
    'is recognised: $what',
    async ({ format, name, data }) => {
      const { hintFor } = await import('../../registry/formats/guess.js');
      const entry = { name, data: data === undefined ? undefined : Buffer.from(data) };
      const known = knownBeside(format);
      expect(hintFor(entry, 'pilotfish', known)).toBe(`; it looks like format=${format}`);
      expect(hintFor(entry, format, known)).toBe('');
    },
  );

  test('is never said to be in a format that its registry does not know', async () => {
    const { hintFor } = await import('../../registry/formats/guess.js');
    const entry = { name: 'one', data: Buffer.from('10.0.0.1:8080') };
    expect(hintFor(entry, 'kratos', ZK_FORMATS)).toBe('; it looks like format=address');
    expect(hintFor(entry, 'kratos', ETCD_FORMATS)).toBe('; it looks like format=go-zero');
    expect(hintFor(entry, 'kratos', [])).toBe('');
  });

  test('that is read alike is not said to be in the other', async () => {
    const { hintFor } = await import('../../registry/formats/guess.js');
    const data = Buffer.from('{"name":"web","id":"a","address":"10.0.0.1","port":0,"serviceType":"DYNAMIC"}');
    expect(hintFor({ name: 'a', data }, 'spring', ZK_FORMATS)).toBe('');
  });
});

describe('the weights of a serverset', () => {
  const member = (port: number, shard?: string) => ({
    name: 'member_0000000001',
    instance: instanceOf({ service: 'web', port, metadata: shard === undefined ? {} : { shard } }),
  });
  const vector = (...selectors: readonly unknown[]) => ({
    name: 'vector_0000000000',
    data: Buffer.from(JSON.stringify({ vector: selectors })),
  });
  /** A weight as it is written: JSON.stringify writes no more than there are numbers for. */
  const digits = (weight: string) => ({
    name: 'vector_0000000000',
    data: Buffer.from(`{"vector":[{"select":"member=1","weight":${weight}}]}`),
  });

  test.each([
    ['nothing', [vector()], 1],
    ['its number', [vector({ select: 'member=1', weight: 1.5, priority: 1 })], 1.5],
    ['its address', [vector({ select: 'inet=127.0.0.1:80', weight: 3, priority: 1 })], 3],
    ['its shard', [vector({ select: 'shard=4', weight: 0, priority: 1 })], 0],
    ['another', [vector({ select: 'member=2', weight: 9 }, { select: 'inet=127.0.0.1:81', weight: 9 })], 1],
    [
      'several, in several vectors',
      [vector({ select: 'member=1', weight: 2 }), vector({ select: 'shard=4', weight: 3 })],
      6,
    ],
    ['nonsense', [vector(null, { select: 'member=1', weight: -1 }, { select: 7 }, { select: 'member=' })], 1],
    ['no JSON', [{ name: 'vector_1', data: Buffer.from('{') }], 1],
    ['no number at all', [digits('1e999')], 1],
    ['no number at all, beside nothing', [vector({ select: 'shard=4', weight: 0 }), digits('1e999')], 0],
    [
      'too much, and nothing',
      [digits('1e308'), digits('1e308'), vector({ select: 'shard=4', weight: 0 })],
      0,
    ],
    ['more than there may be', [vector({ select: 'member=1', weight: 1e9 })], 65_535],
  ])('are the product of all that mean it: %s', async (_what, vectors, weight) => {
    const { companions } = await loadFormat('serverset');
    expect(companions?.adjust(member(80, '4'), vectors).weight).toBe(weight);
  });
});
