import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consul } from './consul.js';
import { cacheFolder, findOnPath } from './environment.js';
import { etcd } from './etcd.js';
import { addressVariable, findProgram } from './find.js';
import { startSharedServers } from './shared.js';

describe('a machine that has none of the means', () => {
  let empty: string;
  beforeAll(async () => {
    empty = await mkdtemp(join(tmpdir(), 'pilotfish-nothing-'));
  });
  afterAll(() => rm(empty, { recursive: true }));

  it.each([consul, etcd])(
    'ends the run with one line that names $name and how to supply it',
    async (kind) => {
      const bare = { PATH: empty, PILOTFISH_TEST_CACHE: join(empty, 'cache') };
      const failure = await findProgram(kind, bare).catch((error: Error) => error.message);
      expect(failure).toContain(`cannot test without ${kind.name}`);
      expect(failure).toContain(`${addressVariable(kind.name)}=host:port`);
      expect(failure).not.toContain('\n');
    },
  );

  it('says why when the cache cannot be written', async () => {
    await symlink('/bin/true', join(empty, 'apt-get'));
    const bare = { PATH: empty, PILOTFISH_TEST_CACHE: '/dev/null/cache' };
    await expect(findProgram(consul, bare)).rejects.toThrow(/ENOTDIR|not a Debian system/);
  });
});

describe('a server named by the environment', () => {
  it('must be host:port', async () => {
    const env = all('http://localhost/');
    await expect(startSharedServers(env)).rejects.toThrow(
      'expected host:port, got PILOTFISH_TEST_ZOOKEEPER=http://localhost/',
    );
  });

  it('must answer; the variable is named when it does not', async () => {
    await expect(startSharedServers(all('127.0.0.1:1'), 100)).rejects.toThrow(
      'PILOTFISH_TEST_CONSUL=127.0.0.1:1: expected consul at 127.0.0.1:1 to answer',
    );
  });

  const all = (address: string) => ({
    PILOTFISH_TEST_ZOOKEEPER: address,
    PILOTFISH_TEST_CONSUL: address,
    PILOTFISH_TEST_ETCD: address,
  });
});

describe('the cache', () => {
  it.each([
    [{ PILOTFISH_TEST_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }, '/a'],
    [{ XDG_CACHE_HOME: '/b', HOME: '/c' }, '/b/pilotfish'],
    [{ HOME: '/c' }, '/c/.cache/pilotfish'],
  ])('of %o is %s', (env, folder) => {
    expect(cacheFolder(env)).toBe(folder);
  });
});

describe('PATH', () => {
  it('is searched in order, without relative folders', async () => {
    expect(await findOnPath('sh', { PATH: '.:bin:/bin' })).toBe('/bin/sh');
    expect(await findOnPath('no-such-program', { PATH: '/bin' })).toBeUndefined();
    expect(await findOnPath('sh', {})).toBeUndefined();
  });
});
