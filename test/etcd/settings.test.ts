import { describe, expect, test } from 'vitest';
import { etcdKeys, keysBelow } from '../../registry/etcd/keys.js';
import { ETCD_FORMATS, parseEtcdUrl } from '../../registry/etcd/settings.js';
import { loadFormat } from '../../registry/formats/index.js';
import { problemsOf } from '../helpers/problems.js';

test('the defaults are port 2379, the prefix pilotfish, and 15 s', () => {
  expect(parseEtcdUrl('etcd://a,b:2380')).toEqual({
    members: [
      { host: 'a', port: 2379 },
      { host: 'b', port: 2380 },
    ],
    prefix: 'pilotfish/',
    ttlMs: 15_000,
    tls: undefined,
    authFile: undefined,
    format: 'pilotfish',
    scheme: undefined,
  });
});

test.each([
  ['etcd://a?format=kratos&scheme=grpc', '/microservices/'],
  ['etcd://a/my/space?format=kratos', '/my/space/'],
  ['etcd://a?format=skydns', '/skydns/'],
  ['etcd://a/skydns/local/cluster?format=skydns', '/skydns/local/cluster/'],
  ['etcd://a?format=go-zero', ''],
  ['etcd://a/prod?format=go-zero', 'prod/'],
  ['etcd://a?format=etcd-naming', ''],
  ['etcd://a//prod?format=etcd-naming', '/prod/'],
  ['etcd://a//prod', '/prod/'],
])('the keys of %s begin with "%s"', (url, prefix) => {
  expect(parseEtcdUrl(url).prefix).toBe(prefix);
});

test.each(ETCD_FORMATS)(
  'what is watched for a service ends with a slash in %s, wherever it is',
  async (format) => {
    for (const path of ['', '/a', '//a', '/a/b']) {
      const { prefix } = parseEtcdUrl(`etcd://a${path}?format=${format}`);
      const { from, to } = keysBelow(etcdKeys(prefix, await loadFormat(format)).service('web'));
      expect(from).toMatch(/(^|\/)web\/$/);
      expect(to).toBe(`${from.slice(0, -1)}0`);
    }
  },
);

test('everything can be said', () => {
  const url = 'etcd://a/one/two?ttl=3s&tls=true&ca=c.pem&cert=d.pem&key=e.pem&serverName=etcd&authFile=f';
  expect(parseEtcdUrl(url)).toMatchObject({
    prefix: 'one/two/',
    ttlMs: 3_000,
    tls: { ca: 'c.pem', cert: 'd.pem', key: 'e.pem', serverName: 'etcd' },
    authFile: 'f',
  });
});

describe('what is wrong is told, all of it at once', () => {
  test.each<[string, readonly RegExp[]]>([
    ['etcd://a:0/..?ttl=10ms', [/host:port/, /path whose parts/, /1s to 24h/]],
    ['etcd://a?ttl=25h', [/1s to 24h/]],
    ['etcd://a///b', [/path whose parts/]],
    ['etcd://a?format=nerve', [/one of: pilotfish, etcd-naming, go-zero, kratos, skydns/]],
    ['etcd://a?scheme=http', [/format=kratos beside it/]],
    ['etcd://a?format=kratos&scheme=ftp', [/one of: http, https, grpc, grpcs/]],
    ['etcd://a?tls=yes', [/true or false/]],
    ['etcd://a?ca=x', [/tls=true beside it/]],
    ['etcd://a?tls=true&cert=x', [/cert and key together/]],
    ['etcd://a?authFile=x', [/tls=true.*or allowInsecureAuth=true/]],
    ['etcd://user:canary@a', [/no user or password/]],
    [
      'etcd://a?password=x',
      [/one of: format, scheme, ttl, tls, ca, cert, key, serverName, authFile, allowInsecureAuth/],
    ],
  ])('%s', async (url, expected) => {
    const problems = await problemsOf(Promise.resolve().then(() => parseEtcdUrl(url)));
    expect(problems).toHaveLength(expected.length);
    for (const [at, pattern] of expected.entries()) expect(problems[at]).toMatch(pattern);
    expect(problems.join()).not.toContain('canary');
  });
});
