import { describe, expect, test } from 'vitest';
import type { Entry } from '../../registry/formats/format.js';
import { loadFormat } from '../../registry/formats/index.js';
import { instanceOf } from '../../registry/testing/harness.js';
import { knownBeside, SAMPLES, type Sample } from './samples.js';

const entryOf = ({ name, data }: Sample): Entry => ({
  name,
  data: data === undefined ? undefined : Buffer.from(data),
});

describe('what other software has written', () => {
  test.each(SAMPLES)('$format reads $what', async (sample) => {
    const { format, service, instance } = sample;
    const read = (await loadFormat(format)).decode(entryOf(sample), service);
    expect(read).toEqual({ ok: true, value: instanceOf({ service, ...instance }) });
  });

  test.each([
    ['http', 80],
    ['https', 443],
    ['ws', 80],
    ['ftp', 21],
    ['http', 8080],
  ])('dubbo reads the port of a provider of %s at %i, usual or not', async (protocol, port) => {
    const name = encodeURIComponent(`${protocol}://user@[2001:db8::1]:${port}/demo?anyhost=true`);
    const read = (await loadFormat('dubbo')).decode({ name, data: undefined }, 'demo');
    const id = `${protocol}:2001:db8::1:${port}`;
    const metadata = { protocol, anyhost: 'true' };
    const wanted = { service: 'demo', id, host: '2001:db8::1', port, weight: 100, metadata };
    expect(read).toEqual({ ok: true, value: instanceOf(wanted) });
  });

  test.each(['http://10.0.0.1/demo', 'dubbo://10.0.0.1/demo', 'http:80', ':80'])(
    'dubbo takes no port from %s, which names none',
    async (url) => {
      const read = (await loadFormat('dubbo')).decode(
        { name: encodeURIComponent(url), data: undefined },
        'demo',
      );
      expect(read).toMatchObject({
        ok: false,
        error: expect.stringContaining('expected an encoded URL with a port'),
      });
    },
  );

  test.each(SAMPLES.filter(({ format }) => format !== 'dubbo' && format !== 'kafka'))(
    'auto reads $what as $format does',
    async (sample) => {
      const auto = await loadFormat('auto', { known: knownBeside(sample.format) });
      const named = await loadFormat(sample.format);
      expect(auto.decode(entryOf(sample), sample.service)).toEqual(
        named.decode(entryOf(sample), sample.service),
      );
    },
  );
});

describe('what other software reads', () => {
  const instance = instanceOf({
    service: 'web',
    id: 'web-1',
    host: '2001:db8::1',
    port: 8080,
    weight: 2.6,
    zone: 'z1',
    tags: ['blue'],
  });
  const LABELS = { zone: 'z1', tags: '["blue"]', 'pilotfish.id': 'web-1' };

  test.each([
    ['host-port', 's8080', ['[2001:db8::1]', '8080']],
    ['nerve', 'web-1_', { host: '2001:db8::1', port: 8080, name: 'web-1', weight: 3, labels: LABELS }],
    [
      'serverset',
      'member_',
      {
        status: 'ALIVE',
        additionalEndpoints: {},
        serviceEndpoint: { host: '2001:db8::1', port: 8080 },
        metadata: { ...LABELS, weight: '2.6' },
      },
    ],
    [
      'curator',
      'web-1',
      {
        name: 'web',
        id: 'web-1',
        address: '2001:db8::1',
        port: 8080,
        sslPort: null,
        payload: null,
        registrationTimeUTC: 1234,
        serviceType: 'DYNAMIC',
        uriSpec: null,
      },
    ],
  ] as const)('%s writes no more than its readers know', async (name, entryName, data) => {
    const written = (await loadFormat(name)).encode?.(instance, 1234.5);
    expect(written?.name).toBe(entryName);
    expect(JSON.parse(Buffer.from(written?.data ?? []).toString())).toEqual(data);
  });

  test('address is in the name and in the data', async () => {
    const written = (await loadFormat('address')).encode?.(instance, 0);
    expect([written?.name, written?.data.toString()]).toEqual(['[2001:db8::1]:8080', '[2001:db8::1]:8080']);
  });

  test('nerve-path is in the name, with the length of what is encoded, and once more in the data', async () => {
    const { name = '', data } = (await loadFormat('nerve-path')).encode?.(instance, 0) ?? {};
    const [, length, text = ''] = /^base64_(\d+)_([\w-]+=*)_$/.exec(name) ?? [];
    expect([text.length, text.length % 4]).toEqual([Number(length), 0]);
    expect(JSON.parse(Buffer.from(text, 'base64url').toString())).toMatchObject({ name: 'web-1' });
    expect(Buffer.from(text, 'base64url')).toEqual(data);
  });

  test('pilotfish writes the bytes of its sample', async () => {
    const sample = SAMPLES.find(({ format }) => format === 'pilotfish');
    const everything = instanceOf({ service: 'web', ...sample?.instance });
    const written = (await loadFormat('pilotfish')).encode?.(everything, 0);
    expect([written?.name, written?.data.toString()]).toEqual([sample?.name, sample?.data]);
  });

  test("spring's payload is of Spring's class, with the rest of the instance in its metadata", async () => {
    const written = (await loadFormat('spring')).encode?.(instance, 0);
    expect(JSON.parse(Buffer.from(written?.data ?? []).toString()).payload).toEqual({
      '@class': 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance',
      id: 'web',
      name: 'web',
      metadata: { zone: 'z1', tags: '["blue"]', weight: '2.6', instance_status: 'UP' },
    });
  });

  test.each([
    ['host-port', ['draining', 'maintenance', 'idle']],
    ['address', ['draining', 'maintenance', 'idle']],
    ['curator', ['draining', 'maintenance', 'idle']],
    ['spring', ['draining', 'maintenance', 'idle']],
    ['nerve', ['draining', 'maintenance']],
    ['nerve-path', ['draining', 'maintenance']],
    ['serverset', ['idle']],
    ['pilotfish', []],
  ] as const)('%s hides %j, which its readers would take for an ordinary one', async (name, hidden) => {
    const states = {
      passing: instance,
      warning: { ...instance, status: 'warning' },
      draining: { ...instance, status: 'draining' },
      maintenance: { ...instance, status: 'maintenance' },
      idle: { ...instance, weight: 0 },
    } as const;
    const { hides } = await loadFormat(name);
    const found = Object.entries(states).filter(([, state]) => hides?.(state));
    expect(found.map(([state]) => state)).toEqual(hidden);
  });

  test.each([
    ['draining', 'STOPPING'],
    ['maintenance', 'STOPPED'],
  ] as const)(
    'a serverset says of one in %s that it is %s, which its readers leave alone',
    async (status, written) => {
      const { encode } = await loadFormat('serverset');
      const data = encode?.({ ...instance, status }, 0).data;
      expect(JSON.parse(Buffer.from(data ?? []).toString()).status).toBe(written);
    },
  );

  test.each(['dubbo', 'kafka', 'auto'] as const)('%s is not written', async (name) => {
    expect((await loadFormat(name)).encode).toBeUndefined();
  });
});
