import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findParty, program } from './party.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-parties-'));
});

afterAll(() => rm(folder, { recursive: true }));

test('a program that is installed is taken as it is', async () => {
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'etcdctl'), '#!/bin/sh\n', { mode: 0o755 });
  const env = { PATH: join(folder, 'bin') };
  expect(await findParty(program('etcdctl', 'etcd-client'), env)).toEqual({
    file: join(folder, 'bin', 'etcdctl'),
    env: {},
  });
});

test('one that cannot be had ends in one line that names it and says what to do', async () => {
  const bare = { PATH: join(folder, 'nothing'), PILOTFISH_TEST_CACHE: join(folder, 'cache') };
  const failure = await findParty(program('no-such-party', 'no-such-package'), bare).catch(
    (error: Error) => error.message,
  );
  expect(failure).toMatch(
    /^cannot test without no-such-party: .*Install it, or let apt-get reach a Debian mirror\.$/,
  );
});
