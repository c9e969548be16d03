import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatHostPort, isHost, isHostName, isPort, parseHostPort } from '../../runtime/host-port.js';

describe('an address in text', () => {
  test.each([
    ['10.0.0.1:80', { host: '10.0.0.1', port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['[2001:db8::1]:65535', { host: '2001:db8::1', port: 65_535 }],
    ['[::ffff:10.0.0.1]:80', { host: '::ffff:10.0.0.1', port: 80 }],
    ['web.internal:8080', { host: 'web.internal', port: 8080 }],
    ['web_1.internal.:8080', { host: 'web_1.internal.', port: 8080 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('%s is read', (text, address) => {
    expect(parseHostPort(text)).toEqual(address);
    expect(formatHostPort(address)).toBe(text);
  });

  test.each([
    ['10.0.0.1', { host: '10.0.0.1', port: 2181 }],
    ['web', { host: 'web', port: 2181 }],
    ['[::1]', { host: '::1', port: 2181 }],
  ])('%s gets the default port', (text, address) => {
    expect(parseHostPort(text, 2181)).toEqual(address);
    expect(parseHostPort(text)).toBeUndefined();
  });

  test.each([
    ['nothing', ''],
    ['a port alone', ':80'],
    ['a port above the last', 'web:65536'],
    ['a port of six digits', 'web:000080'],
    ['a negative port', 'web:-1'],
    ['a port with a sign', 'web:+80'],
    ['a port in hexadecimal', 'web:0x50'],
    ['no port behind the colon', 'web:'],
    ['two ports', 'web:80:81'],
    ['IPv6 without brackets', '::1:80'],
    ['IPv6 with a zone', '[fe80::1%eth0]:80'],
    ['IPv4 in brackets', '[10.0.0.1]:80'],
    ['a name in brackets', '[web]:80'],
    ['empty brackets', '[]:80'],
    ['an open bracket', '[::1:80'],
    ['a user', 'user@web:80'],
    ['a path', 'web/path:80'],
    ['a scheme', 'http://web:80'],
    ['a space', ' web:80'],
    ['a line break', 'web:80\n'],
    ['a NUL', 'we\u0000b:80'],
    ['a wildcard', '*:80'],
    ['a shortened IPv4 address', '127.1:80'],
    ['an IPv4 address as one number', '2130706433:80'],
    ['an IPv4 address in hexadecimal', '0x7f000001:80'],
    ['an IPv4 address that ends in hexadecimal', '127.0.0.0x1:80'],
    ['an IPv4 address with a part above 255', '10.0.0.256:80'],
    ['an IPv4 address with an octal part', '010.0.0.1:80'],
  ])('%s is refused', (_, text) => {
    expect(parseHostPort(text, 2181)).toBeUndefined();
  });

  test('what is written is read back', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()).filter(isHost);
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        expect(parseHostPort(formatHostPort({ host, port }))).toEqual({ host, port });
      }),
    );
  });

  test('whatever is read is a host without anything that a URL would take for more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        const { host } = parseHostPort(text, 1) ?? { host: 'none' };
        expect(host).toMatch(/^[\w.:-]+$/);
        expect(new URL(`http://${formatHostPort({ host, port: 80 })}/`).pathname).toBe('/');
      }),
      { examples: [['a/b'], ['a@b'], ['a?b'], ['a#b'], ['a\\b'], ['[::1]']] },
    );
  });
});

describe('a host name', () => {
  test.each([
    ['one label', 'web'],
    ['an underscore', 'web_1'],
    ['a digit in front', '1web'],
    ['a dot at the end', 'web.internal.'],
    ['63 characters in a label', 'a'.repeat(63)],
    ['a number that is not last', '10.web'],
  ])('may have %s', (_, name) => {
    expect(isHostName(name)).toBe(true);
  });

  test.each([
    ['no characters', ''],
    ['a dot alone', '.'],
    ['an empty label', 'a..b'],
    ['a dash in front', '-web'],
    ['a dash at the end', 'web-'],
    ['64 characters in a label', 'a'.repeat(64)],
    ['254 characters', 'a.'.repeat(127)],
    ['a number as its last label', 'web.1'],
    ['a number and a dot as its end', 'web.1.'],
    ['a letter that looks like another', 'wеb'],
    ['a line break at its end', 'web\n'],
  ])('may not have %s', (_, name) => {
    expect(isHostName(name)).toBe(false);
  });
});

test('a host is an IP literal without zone, or a host name', () => {
  for (const host of ['10.0.0.1', '::1', 'web.internal']) expect(isHost(host)).toBe(true);
  for (const host of ['fe80::1%eth0', '[::1]', '10.0.0.256', '']) expect(isHost(host)).toBe(false);
  expect(isIP('fe80::1%eth0')).toBe(6);
});

test.each([
  [1, true],
  [65_535, true],
  [0, false],
  [65_536, false],
  [-1, false],
  [80.5, false],
  [Number.NaN, false],
  ['80', false],
  [80n, false],
  [undefined, false],
  [null, false],
])('%s is a port: %s', (value, is) => {
  expect(isPort(value)).toBe(is);
});

test('port 0 is one where any free port is meant', () => {
  expect(isPort(0, 0)).toBe(true);
});
