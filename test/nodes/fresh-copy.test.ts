import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exists } from '../servers/environment.js';
import { environmentFor, FreshCopy } from './fresh-copy.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-fresh-'));
});

afterEach(() => rm(folder, { recursive: true }));

describe('a fresh copy', () => {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: folder });

  beforeEach(async () => {
    git('init', '--quiet');
    await mkdir(join(folder, 'deep'));
    for (const name of ['deep/known', 'removed', 'run']) await writeFile(join(folder, name), name);
    git('add', '.');
    await writeFile(join(folder, '.gitignore'), 'ignored\n');
    for (const name of ['new', 'ignored']) await writeFile(join(folder, name), name);
    await rm(join(folder, 'removed'));
    git('update-index', '--chmod=+x', 'run');
    execFileSync('chmod', ['+x', join(folder, 'run')]);
  });

  test('has what git knows and what is new, as it is now, and nothing that is ignored', async () => {
    await using copy = await FreshCopy.of(folder, process.env);
    expect((await readdir(copy.root)).sort()).toEqual(['.gitignore', 'deep', 'new', 'run']);
    expect(await readFile(join(copy.root, 'deep/known'), 'utf8')).toBe('deep/known');
    expect((await stat(join(copy.root, 'run'))).mode & 0o111).not.toBe(0);
  });

  test('is gone afterwards', async () => {
    const copy = await FreshCopy.of(folder, process.env);
    await copy[Symbol.asyncDispose]();
    expect(await exists(copy.root)).toBe(false);
  });
});

describe('the environment for another Node', () => {
  test('finds it as node, before any other, and knows the npm of this run but not its state', async () => {
    const bin = join(folder, 'bin');
    const given = { PATH: '/bin', npm_execpath: '/npm.js', npm_lifecycle_event: 'test', npm_config_x: 'y' };
    const env = await environmentFor(process.execPath, bin, given);
    expect(env).toEqual({ PATH: `${bin}:/bin`, npm_execpath: '/npm.js', npm_config_x: 'y' });
    expect(await realpath(join(bin, 'node'))).toBe(await realpath(process.execPath));
  });

  test.each([true, false])(
    'compiles with its own headers or, without any, with none of another: %s',
    async (has) => {
      const home = join(folder, 'home');
      await mkdir(join(home, 'bin'), { recursive: true });
      if (has) await mkdir(join(home, 'include', 'node'), { recursive: true });
      await symlink(process.execPath, join(home, 'bin', 'node'));
      const env = await environmentFor(join(home, 'bin', 'node'), join(folder, 'bin'), { PATH: '/bin' });
      expect(env.npm_config_nodedir).toBe(has ? home : '');
    },
  );
});
