/** The formats of other software in etcd: what they write, what they make of what others wrote, and that nothing breaks them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { etcdNaming } from '../../registry/formats/etcd-naming.js';
import type { Format } from '../../registry/formats/format.js';
import { goZero } from '../../registry/formats/go-zero.js';
import { kratos } from '../../registry/formats/kratos.js';
import { skydns } from '../../registry/formats/skydns.js';
import { instanceOf } from '../../registry/testing/index.js';

const FORMATS: readonly Format[] = [etcdNaming, goZero, kratos(), skydns];

const written = (format: Format, instance: Instance) => {
  const entry = format.encode?.(instance, 0);
  return entry && { name: entry.name, text: Buffer.from(entry.data).toString() };
};

const read = (format: Format, service: string, name: string, data: string | object) =>
  format.decode({ name, data: Buffer.from(typeof data === 'string' ? data : JSON.stringify(data)) }, service);

const full = instanceOf({
  ...{ service: 'helloworld', id: 'h-1', host: '10.0.0.1', port: 8080 },
  ...{ weight: 10, zone: 'eu-1', version: 'v1', tags: ['blue', 'a,b'], metadata: { team: 'x' } },
});
const bare = instanceOf({ service: 'helloworld', id: 'h-1', host: '10.0.0.1', port: 8080 });
const onIpv6 = instanceOf({ service: 'helloworld', id: 'h-1', host: '2001:db8::1', port: 8080 });

describe('what is written, byte by byte', () => {
  test.each<[string, Format, Instance, string]>([
    ['go-zero', goZero, full, '10.0.0.1:8080'],
    ['go-zero, IPv6', goZero, onIpv6, '[2001:db8::1]:8080'],
    ['etcd-naming', etcdNaming, bare, '{"Op":0,"Addr":"10.0.0.1:8080","Metadata":null}'],
    [
      'etcd-naming, with everything',
      etcdNaming,
      full,
      '{"Op":0,"Addr":"10.0.0.1:8080","Metadata":{"team":"x","zone":"eu-1","version":"v1","tags":"[\\"blue\\",\\"a,b\\"]","weight":"10"}}',
    ],
    [
      'kratos',
      kratos({ scheme: 'grpc' }),
      full,
      '{"id":"h-1","name":"helloworld","version":"v1","metadata":{"team":"x","zone":"eu-1","tags":"[\\"blue\\",\\"a,b\\"]","weight":"10"},"endpoints":["grpc://10.0.0.1:8080"]}',
    ],
    [
      'kratos, the least',
      kratos(),
      bare,
      '{"id":"h-1","name":"helloworld","version":"","metadata":{"weight":"1"},"endpoints":["http://10.0.0.1:8080"]}',
    ],
    ['skydns', skydns, full, '{"host":"10.0.0.1","port":8080,"weight":10,"ttl":5}'],
  ])('%s', (_, format, instance, expected) => {
    expect(written(format, instance)).toEqual({ name: 'h-1', text: expected });
  });

  test.each(FORMATS.map((format) => [format.name, format] as const))(
    '%s has no entry for an instance that is to get no traffic',
    (_, format) => {
      for (const fields of [{ status: 'draining' }, { status: 'maintenance' }, { weight: 0 }]) {
        expect(format.hides?.({ ...full, ...fields } as Instance)).toBe(true);
      }
      expect(format.hides?.({ ...full, status: 'warning' })).toBe(false);
    },
  );

  test.each([
    [0.25, '1'],
    [2.5, '3'],
    [65_535, '65535'],
  ])('weight %d is %s to readers that know whole numbers only', (weight, expected) => {
    expect(written(kratos(), { ...bare, weight })?.text).toContain(`"weight":"${expected}"`);
    expect(written(skydns, { ...bare, weight })?.text).toContain(`"weight":${expected},`);
  });
});

describe('what others wrote', () => {
  const kratosEntry = {
    ...{ id: 'other', name: 'helloworld', version: 'v1', metadata: { weight: '10', region: 'eu' } },
    endpoints: ['grpc://127.0.0.1:9000?isSecure=false', 'http://127.0.0.1:8000?isSecure=false'],
  };

  test.each<[string, Format, string, string | object, object]>([
    [
      'go-zero, under the number of its lease',
      goZero,
      '7587869134584193286',
      '10.0.0.1:8080',
      { id: '7587869134584193286', endpoint: { host: '10.0.0.1', port: 8080 }, weight: 1 },
    ],
    [
      'etcd-naming, with a target of more than one part',
      etcdNaming,
      'sub/e1',
      { Op: 0, Addr: 'web.internal:80', Metadata: null },
      { id: 'sub=002fe1', endpoint: { host: 'web.internal', port: 80 } },
    ],
    [
      'etcd-naming, with metadata that are no map',
      etcdNaming,
      'e1',
      { Addr: '10.0.0.1:1', Metadata: 'hello' },
      { id: 'e1', metadata: {} },
    ],
    [
      'etcd-naming, with numbers in its metadata',
      etcdNaming,
      'e1',
      { Op: 0, Addr: '10.0.0.1:1', Metadata: { weight: 7, shard: 3 } },
      { weight: 7, metadata: { shard: '3' } },
    ],
    [
      'kratos: the http endpoint, wherever it stands',
      kratos(),
      'k1',
      kratosEntry,
      { id: 'k1', endpoint: { host: '127.0.0.1', port: 8000 }, weight: 10, metadata: { region: 'eu' } },
    ],
    [
      'kratos: the endpoint of the scheme that is asked for',
      kratos({ scheme: 'grpc' }),
      'k1',
      kratosEntry,
      { endpoint: { host: '127.0.0.1', port: 9000 }, version: 'v1' },
    ],
    [
      'kratos: the only endpoint there is',
      kratos(),
      'k1',
      { name: 'helloworld', metadata: null, endpoints: ['grpc://[::1]:9000'] },
      { endpoint: { host: '::1', port: 9000 }, weight: 1, version: undefined },
    ],
    [
      'kratos: a weight that makes no sense',
      kratos(),
      'k1',
      { ...kratosEntry, metadata: { weight: 'heavy' } },
      { weight: 1 },
    ],
    [
      'skydns, as its documentation shows it',
      skydns,
      'x5',
      { host: 'skydns-local.server', ttl: 60, priority: 10, port: 8080 },
      {
        id: 'x5',
        endpoint: { host: 'skydns-local.server', port: 8080 },
        weight: 100,
        metadata: { priority: '10' },
      },
    ],
    [
      'skydns, with texts where numbers belong',
      skydns,
      'x5',
      { host: '10.0.0.1', ttl: '60', port: '8080', weight: '20' },
      { endpoint: { host: '10.0.0.1', port: 8080 }, weight: 20 },
    ],
  ])('%s', (_, format, name, data, expected) => {
    const result = read(format, 'helloworld', name, data);
    expect(result).toMatchObject({ ok: true, value: expected });
  });

  test.each<[string, Format, string | object, RegExp]>([
    ['go-zero without a port', goZero, '10.0.0.1', /expected host:port, got "10\.0\.0\.1"/],
    ['go-zero with JSON', goZero, { host: 'a' }, /expected host:port/],
    ['etcd-naming with a deletion', etcdNaming, { Op: 1, Addr: '10.0.0.1:1' }, /at Op/],
    ['etcd-naming without an address', etcdNaming, { Op: 0 }, /at Addr/],
    ['kratos of a service whose name begins alike', kratos(), { name: 'helloworld-admin' }, /at name/],
    ['kratos without endpoints', kratos(), { name: 'helloworld', endpoints: [] }, /at endpoints/],
    [
      'kratos without the scheme',
      kratos({ scheme: 'grpc' }),
      { name: 'helloworld', endpoints: ['http://a:1'] },
      /the URL of an endpoint with grpc:/,
    ],
    ['skydns with a name and no port', skydns, { host: 'a.b' }, /at port/],
    ['skydns with a mail server', skydns, { host: 'a.b', port: 25, mail: true }, /mail server/],
    ['skydns with no JSON', skydns, 'x', /a JSON object/],
  ])('that is no instance: %s', (_, format, data, reason) => {
    expect(read(format, 'helloworld', 'e1', data)).toMatchObject({
      ok: false,
      error: expect.stringMatching(reason),
    });
  });
});

test('the name of a SkyDNS service is its path backwards', () => {
  expect(skydns.folder('web.staging.skydns.local')).toBe('local/skydns/staging/web');
});

describe('for any instance, and for any bytes', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,20}$/);
  const text = fc.string({ maxLength: 30 });
  const anyInstance = fc
    .record({
      service: label,
      id: fc.stringMatching(/^[A-Za-z0-9~:@+=,-][A-Za-z0-9._~:@+=,-]{0,30}$/),
      host: fc.oneof(fc.ipV4(), fc.constant('2001:db8::7'), fc.constant('web.internal')),
      port: fc.integer({ min: 1, max: 65_535 }),
      weight: fc.integer({ min: 1, max: 65_535 }),
      status: fc.constantFrom('passing', 'warning'),
      zone: fc.option(text, { nil: undefined }),
      version: fc.option(fc.stringMatching(/^v[0-9.]{1,8}$/), { nil: undefined }),
      tags: fc.array(text, { maxLength: 5 }),
      metadata: fc.dictionary(
        label.map((key) => `m-${key}`),
        text,
        { maxKeys: 5 },
      ),
    })
    .map(instanceOf);
  /** What each format has a field for. */
  const kept: Readonly<Record<string, (instance: Instance) => Partial<Instance>>> = {
    'etcd-naming': (instance) => instance,
    kratos: (instance) => instance,
    'go-zero': ({ service, id, endpoint }) => ({ service, id, endpoint }),
    skydns: ({ service, id, endpoint, weight }) => ({ service, id, endpoint, weight }),
  };

  test.each(FORMATS.map((format) => [format.name, format] as const))(
    '%s reads back what it wrote, as far as it has a field for it',
    (name, format) => {
      fc.assert(
        fc.property(anyInstance, (instance) => {
          const entry = format.encode?.(instance, 0);
          const result = format.decode(entry as NonNullable<typeof entry>, instance.service);
          expect(result.ok && plain(result.value)).toMatchObject(plain(kept[name]?.(instance) ?? {}));
        }),
        { numRuns: 300 },
      );
    },
  );

  test.each(FORMATS.map((format) => [format.name, format] as const))('%s never throws', (_, format) => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((json) => Buffer.from(json)),
      fc.anything().map((value) => Buffer.from(JSON.stringify(hostile(value)) ?? '')),
      fc.constant(Buffer.alloc(100_000, '[')),
      fc.constant(undefined),
    );
    fc.assert(
      fc.property(fc.string(), bytes, (name, data) => {
        const result = format.decode({ name, data }, 'web');
        expect(typeof result.ok).toBe('boolean');
      }),
      { numRuns: 500 },
    );
  });

  /** The right keys with the wrong values. */
  function hostile(value: unknown): object {
    const keys = ['Op', 'Addr', 'Metadata', 'id', 'name', 'version', 'metadata', 'endpoints'];
    const all = [...keys, 'host', 'port', 'weight', 'priority', 'text', 'mail', '__proto__'];
    return { ...Object.fromEntries(all.map((key) => [key, value])), name: 'web' };
  }

  const plain = (value: object): object => JSON.parse(JSON.stringify(value));
});
