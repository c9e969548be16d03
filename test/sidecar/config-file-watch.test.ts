import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { watchConfigFile } from '../../sidecar/config/file-watch.js';
import { until } from './support.js';

let directory: string;
let path: string;
let changes: number;
let end: () => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-watch-'));
  path = join(directory, 'sidecar.yaml');
  changes = 0;
  end = () => {};
});

afterEach(async () => {
  end();
  await rm(directory, { recursive: true });
});

function watch(text: string): void {
  end = watchConfigFile({ path, text }, () => changes++, systemClock);
}

/** At once: a file that is written in place is empty for a moment, which may be told of as well. */
async function replace(text: string, file = path): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

describe('a configuration file', () => {
  test('that has changed since it was loaded, as during a start, is told of at once', async () => {
    await writeFile(path, 'new');
    watch('old');
    await until(() => changes === 1, 'the change');
  });

  test('that is removed or renamed over is told of once for each text, in place at least once', async () => {
    await writeFile(path, 'one');
    watch('one');
    await replace('two');
    await until(() => changes === 1, 'the second text');
    await rm(path);
    await replace('three');
    await until(() => changes === 2, 'the third text');
    await replace('three');
    await replace('four');
    await until(() => changes >= 3, 'the fourth text');
    expect(changes).toBe(3);
    await writeFile(path, 'five');
    await until(() => changes >= 4, 'the fifth text');
  });

  test('of a ConfigMap is told of when the link of its directory is moved', async () => {
    for (const version of ['one', 'two']) {
      await mkdir(join(directory, `..${version}`));
      await writeFile(join(directory, `..${version}`, 'sidecar.yaml'), version);
    }
    await symlink('..one', join(directory, '..data'));
    await symlink('..data/sidecar.yaml', path);
    watch('one');
    await symlink('..two', join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    await until(() => changes === 1, 'the change');
  });

  test('that is a link to a file elsewhere, as one that is mounted alone, is told of without any event', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'pilotfish-elsewhere-'));
    const target = join(elsewhere, 'sidecar.yaml');
    await writeFile(target, 'one');
    await symlink(target, path);
    watch('one');
    // The first may be seen by the look at the start.
    await replace('two', target);
    await until(() => changes === 1, 'the second text');
    await replace('three', target);
    await until(() => changes === 2, 'the third text');
    await rm(elsewhere, { recursive: true });
  });
});
