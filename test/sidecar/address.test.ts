/** Which address is advertised, and which is refused. */
import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  type AddressChoice,
  candidatesOf,
  chooseAddress,
  formatAddressChoice,
  isSharedRegistry,
  type Machine,
  parseAddressChoice,
  systemMachine,
} from '../../sidecar/address.js';
import { kindOf, parseCidr } from '../../sidecar/address-kind.js';

interface Route {
  readonly 4?: string;
  readonly 6?: string;
}

function machine(interfaces: Readonly<Record<string, readonly string[]>>, route: Route = {}): Machine {
  const info = (address: string) => ({ address }) as NetworkInterfaceInfo;
  return {
    interfaces: () =>
      Object.fromEntries(Object.entries(interfaces).map(([name, list]) => [name, list.map(info)])),
    routeSource: async (family) => route[family],
  };
}

const server = machine(
  {
    lo: ['127.0.0.1', '::1'],
    docker0: ['172.17.0.1'],
    eth0: ['fe80::1', 'fd00::5', '10.0.0.5'],
    eth1: ['169.254.3.4', 'fe80::2%eth1'],
    eth2: ['fe80::3', '2001:db8::7'],
  },
  { 4: '10.0.0.5' },
);

const choice = (text: string): AddressChoice => parseAddressChoice(text) as AddressChoice;

describe('an address is chosen', () => {
  test.each([
    ['as given, for an address', '10.9.9.9', true, server, '10.9.9.9'],
    ['as given, for a name', 'web.internal', true, server, 'web.internal'],
    ['as given, even loopback', '127.0.0.1', true, server, '127.0.0.1'],
    ['by interface, IPv4 first', 'interface:eth0', true, server, '10.0.0.5'],
    ['by interface, IPv6 where there is no IPv4', 'interface:eth2', true, server, '2001:db8::7'],
    ['by IPv4 network', 'cidr:10.0.0.0/8', true, server, '10.0.0.5'],
    ['by IPv6 network', 'cidr:fd00::/8', true, server, 'fd00::5'],
    ['by network, past one that cannot be reached', 'cidr:::/0', true, server, 'fd00::5'],
    ['by the default route', 'detected', true, server, '10.0.0.5'],
    [
      'by the IPv6 route where there is no IPv4 one',
      'detected',
      true,
      machine({}, { 6: 'fd00::9%eth0' }),
      'fd00::9',
    ],
    ['as loopback for a registry of this host', 'detected', false, machine({}), '127.0.0.1'],
    ['by interface for a registry of this host', 'interface:lo', false, server, '127.0.0.1'],
  ])('%s', async (_, text, shared, at, expected) => {
    expect(await chooseAddress(choice(text), { shared, machine: at })).toBe(expected);
  });
});

describe('an address is refused', () => {
  test.each([
    ['detected as loopback', 'detected', machine({}, { 4: '127.0.0.1' }), '127.0.0.1, which is loopback'],
    ['detected as unspecified', 'detected', machine({}, { 4: '0.0.0.0' }), '0.0.0.0, which is unspecified'],
    [
      'detected as link-local',
      'detected',
      machine({}, { 6: 'fe80::1%eth0' }),
      'fe80::1, which is link-local',
    ],
    ['without a route', 'detected', machine({}), 'none'],
    ['of an interface that is not there', 'interface:eth9', server, 'none'],
    ['of the loopback interface', 'interface:lo', server, '127.0.0.1, which is loopback'],
    [
      'of an interface that has link-local ones only',
      'interface:eth1',
      server,
      '169.254.3.4, which is link-local',
    ],
    ['of a network that this machine is not in', 'cidr:192.168.0.0/16', server, 'none'],
  ])('%s', async (_, text, at, got) => {
    const choosing = chooseAddress(choice(text), { shared: true, machine: at, path: 'services[0].address' });
    await expect(choosing).rejects.toMatchObject({
      code: 'BAD_INPUT',
      problems: [{ got, path: 'services[0].address' }],
    });
  });

  test('with every candidate of the machine in the message', async () => {
    const choosing = chooseAddress(choice('interface:eth9'), { shared: true, machine: server });
    await expect(choosing).rejects.toThrow(
      'expected an address that other hosts can reach, found by interface:eth9; this machine has ' +
        'lo 127.0.0.1 (loopback), lo ::1 (loopback), docker0 172.17.0.1 (container bridge), ' +
        'eth0 10.0.0.5, eth0 fe80::1 (link-local), eth0 fd00::5, ' +
        'eth1 169.254.3.4 (link-local), eth1 fe80::2 (link-local), ' +
        'eth2 fe80::3 (link-local), eth2 2001:db8::7, got none, at address',
    );
  });
});

describe('the text of a choice', () => {
  test.each([
    '10.0.0.5',
    '::1',
    'web.internal',
    'interface:eth0',
    'interface:eth0.100',
    'cidr:10.0.0.0/8',
    'detected',
  ])('%s is read and written', (text) => {
    expect(formatAddressChoice(choice(text))).toBe(text);
  });

  test.each([
    '',
    'a b',
    '127.1',
    '300.1.1.1',
    'fe80::1%eth0',
    'interface:',
    'interface:a b',
    'cidr:10.0.0.0',
    'cidr:x/8',
  ])('%j is none', (text) => {
    expect(parseAddressChoice(text)).toBeUndefined();
  });
});

describe('the kind of an address', () => {
  test.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['localhost', 'loopback'],
    ['app.localhost', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.0.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'usable'],
    ['10.0.0.1', 'usable'],
    ['128.0.0.1', 'usable'],
    ['2001:db8::1', 'usable'],
    ['web.internal', 'usable'],
  ])('%s is %s', (host, kind) => {
    expect(kindOf(host)).toBe(kind);
  });
});

describe('a network', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', false],
    ['10.0.0.5/32', '10.0.0.5', true],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '::1', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fe00::1', false],
  ])('%s, %s: %s', (cidr, address, isIn) => {
    expect(parseCidr(cidr)?.(address)).toBe(isIn);
  });

  test.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0/8', '/8', '10.0.0.0/-1', '10.0.0.0/8 '])(
    '%j is none',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );
});

test.each([
  ['local:', false],
  ['local:/var/run/pilotfish', false],
  ['zookeeper://10.0.0.1', true],
  ['consul://10.0.0.1', true],
])('other hosts read %s: %s', (url, shared) => {
  expect(isSharedRegistry(url)).toBe(shared);
});

test('this machine: a route source is one of its own addresses', async () => {
  const own = candidatesOf(systemMachine).map(({ address }) => address);
  expect(own).toContain('127.0.0.1');
  const source = await systemMachine.routeSource(4);
  if (source !== undefined) expect(own).toContain(source);
});
