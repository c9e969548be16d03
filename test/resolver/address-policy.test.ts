import { describe, expect, it } from 'vitest';
import { addressFault, isSameHost } from '../../resolver/address-policy.js';
import { connect, type Logger, seededRandom } from '../../resolver/index.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { fixture, settled } from './fixture.js';
import { instance, MemoryRegistry } from './memory-registry.js';

describe('an address that is never used', () => {
  it.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fd00:ec2::254', 'cloud metadata'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['::169.254.169.254', 'link-local'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['64:ff9b::a9fe:a9fe', 'link-local'],
    ['2002:a9fe:a9fe::1', 'link-local'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['2002:e000:1::', 'multicast'],
    ['::ffff:255.255.255.255', 'broadcast'],
  ])('%s is %s, loopback allowed or not', (host, fault) => {
    expect(addressFault(host, true)).toBe(fault);
    expect(addressFault(host, false)).toBe(fault);
  });
});

describe('a loopback address', () => {
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '::7f00:1',
  ])('%s is refused unless allowed', (host) => {
    expect([addressFault(host, false), addressFault(host, true)]).toEqual(['loopback', undefined]);
  });

  it.each(['64:ff9b::7f00:1', '2002:7f00:1::'])('%s is found inside a translated form', (host) => {
    expect(addressFault(host, false)).toBe('loopback');
  });
});

describe('an address that may be used', () => {
  it.each([
    '10.0.0.1',
    '192.168.1.1',
    '172.16.0.1',
    '100.64.0.1',
    '8.8.8.8',
    '2001:db8::1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ])('%s', (host) => {
    expect(addressFault(host, false)).toBeUndefined();
  });

  it.each(['web.internal', 'localhost.example.com', 'notlocalhost', 'a'])('the host name %s', (host) => {
    expect(addressFault(host, false)).toBeUndefined();
  });

  it.each(['localhost', 'localhost.', 'LocalHost', 'web.localhost'])(
    'not %s, unless loopback may',
    (host) => {
      expect([addressFault(host, false), addressFault(host, true)]).toEqual(['loopback', undefined]);
    },
  );
});

describe('a registry on this host', () => {
  it.each([
    ['local', 'local:'],
    ['static', 'static:endpoints.json'],
    ['zookeeper', 'zookeeper://127.0.0.1:2181'],
    ['zookeeper', 'zookeeper://127.0.0.1:2181,[::1]:2182/chroot?sessionTimeout=5s'],
    ['consul', 'consul://localhost'],
  ])('%s at %s', (kind, url) => {
    expect(isSameHost({ kind, url })).toBe(true);
  });

  it.each([
    ['zookeeper', 'zookeeper://10.0.0.1:2181'],
    ['zookeeper', 'zookeeper://127.0.0.1:2181,10.0.0.1:2181'],
    ['consul', 'consul://registry.internal:8500'],
    ['memory', 'memory:'],
    ['consul', 'consul://127.0.0.1.example.com'],
  ])('not %s at %s', (kind, url) => {
    expect(isSameHost({ kind, url })).toBe(false);
  });
});

describe('a list with addresses that may not be used', () => {
  const mixed = [
    instance({ id: 'good' }),
    instance({ id: 'metadata', host: '169.254.169.254' }),
    instance({ id: 'self', host: '127.0.0.1' }),
  ];

  it('loses those, counts and names them, logs each once, and keeps the rest', async () => {
    const lines: object[] = [];
    const log = (fields: object): void => void lines.push(fields);
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const { clock, registry, discovery } = await fixture({ logger });
    const orders = discovery.service('orders');
    registry.list(mixed);
    await settled(clock);
    registry.list([...mixed, instance({ id: 'another' })]);
    await settled(clock);
    expect(orders.snapshot?.instances.map(({ id }) => id)).toEqual(['another', 'good']);
    expect(orders.refused).toEqual([
      {
        entry: 'metadata',
        reason: 'expected an address that may be used, got "169.254.169.254", which is link-local, at host',
      },
      {
        entry: 'self',
        reason: 'expected an address that may be used, got "127.0.0.1", which is loopback, at host',
      },
    ]);
    expect(lines).toHaveLength(2);
    expect(discovery.status()[0]?.rejectedEntries).toBe(2);
  });

  it('is judged anew for whoever has moved, and for nobody else', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    const hosts = { a: '10.0.0.1', b: '169.254.169.254', c: '127.0.0.1' };
    const used = async (changes: Partial<typeof hosts>): Promise<readonly string[] | undefined> => {
      Object.assign(hosts, changes);
      registry.list(Object.entries(hosts).map(([id, host]) => instance({ id, host })));
      await settled(clock);
      return orders.snapshot?.instances.map(({ id }) => id);
    };
    expect(await used({})).toEqual(['a']);
    expect(await used({ b: '10.0.0.2' })).toEqual(['a', 'b']);
    expect(await used({ a: '127.0.0.1', c: '10.0.0.1' })).toEqual(['b', 'c']);
    expect(await used({})).toEqual(['b', 'c']);
    expect(orders.refused.map(({ entry }) => entry)).toEqual(['a']);
  });

  it('is empty when it has nothing else, and says why', async () => {
    const { clock, registry, discovery } = await fixture();
    const orders = discovery.service('orders');
    registry.list(mixed.slice(1));
    await settled(clock);
    expect(orders.state).toBe('empty');
    expect(() => orders.pick()).toThrow('orders has 0 usable endpoints, 2 refused by the address policy');
  });

  it('may have loopback addresses when the caller allows them', async () => {
    const { clock, registry, discovery } = await fixture({ addresses: { allowLoopback: true } });
    const orders = discovery.service('orders');
    registry.list(mixed);
    await settled(clock);
    expect(orders.snapshot?.instances.map(({ id }) => id)).toEqual(['good', 'self']);
  });

  it('is judged by the registry that it comes from', async () => {
    const clock = new VirtualClock();
    const [here, there] = [
      new MemoryRegistry('memory://127.0.0.1:1'),
      new MemoryRegistry('memory://10.0.0.2:1'),
    ];
    const discovery = await connect([here, there], { clock, random: seededRandom(1) });
    const orders = discovery.service('orders');
    here.list([instance({ id: 'mine', host: '127.0.0.1' })]);
    there.list([instance({ id: 'theirs', host: '127.0.0.1' })]);
    await settled(clock);
    expect(orders.snapshot?.instances.map(({ id }) => id)).toEqual(['mine']);
    expect(orders.refused.map(({ entry }) => entry)).toEqual(['theirs']);
  });
});
