/** What runs before `npm start` and `npm test`, in a small project of its own with stand-ins for npm and tsc. */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../cli/prepare.mjs', import.meta.url));

/** Notes the call and leaves what `npm ci` leaves; the driver is there or not. */
const NPM = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
appendFileSync('calls', 'npm ' + process.argv.slice(2).join(' ') + '\\n');
if (process.env.NPM_FAILS) { console.error('no network'); process.exit(1); }
mkdirSync('node_modules/typescript/bin', { recursive: true });
writeFileSync('node_modules/typescript/bin/tsc', process.env.TSC);
if (process.env.DRIVER) {
  mkdirSync('node_modules/zookeeper', { recursive: true });
  writeFileSync('node_modules/zookeeper/index.js', '');
}
writeFileSync('node_modules/.package-lock.json', '{}');
`;

/** Slow enough that two at once would meet. */
const TSC = `
const { appendFileSync, mkdirSync, writeFileSync, readdirSync } = require('node:fs');
appendFileSync('calls', 'tsc\\n');
if (readdirSync('runtime').includes('broken.ts')) { console.log('broken.ts(1,1): error'); process.exit(1); }
setTimeout(() => {
  mkdirSync('dist/runtime', { recursive: true });
  for (const name of readdirSync('runtime')) writeFileSync('dist/runtime/' + name.replace('.ts', '.js'), '');
}, 300);
`;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pilotfish-prepare-'));
  await mkdir(join(root, 'cli'));
  await mkdir(join(root, 'runtime'));
  await cp(SCRIPT, join(root, 'cli', 'prepare.mjs'));
  await writeFile(join(root, 'npm.mjs'), NPM);
  await writeFile(join(root, 'package-lock.json'), '{}');
  await writeFile(join(root, 'runtime', 'a.ts'), '');
});

afterEach(() => rm(root, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

function prepare(env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [join(root, 'cli', 'prepare.mjs')], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, npm_execpath: join(root, 'npm.mjs'), TSC, DRIVER: 'yes', ...env },
  });
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

const calls = async (): Promise<string> => readFile(join(root, 'calls'), 'utf8').catch(() => '');
const CI = 'npm ci --include=dev --include=optional\n';

describe('in a fresh clone', () => {
  test('it installs and builds, and says so in a line each', async () => {
    expect(await prepare()).toEqual({
      code: 0,
      output: 'installing the dependencies (npm ci)\nbuilding (tsc)\n',
    });
    expect(await calls()).toBe(`${CI}tsc\n`);
  });

  test('two at once do the work once', async () => {
    const outcomes = await Promise.all([prepare(), prepare(), prepare()]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await calls()).toBe(`${CI}tsc\n`);
    expect(await readdir(root)).not.toContain('.prepare.lock');
  });

  test('without a compiler for the optional driver it says what that means and goes on', async () => {
    const { code, output } = await prepare({ DRIVER: '' });
    expect(code).toBe(0);
    expect(output).toContain(
      'the optional package zookeeper did not compile here: only zookeeper://…?driver=native needs it\n',
    );
  });

  test('a failed installation shows what npm said', async () => {
    const { code, output } = await prepare({ NPM_FAILS: 'yes' });
    expect(code).toBe(1);
    expect(output).toContain('no network\n\ncannot install the dependencies\n');
    expect(await calls()).toBe(CI);
  });
});

describe('afterwards', () => {
  const future = new Date('2100-01-01');

  beforeEach(async () => {
    await prepare();
    await rm(join(root, 'calls'));
  });

  test('it is quiet', async () => {
    expect(await prepare()).toEqual({ code: 0, output: '' });
    expect(await calls()).toBe('');
  });

  test('a changed source builds again', async () => {
    await utimes(join(root, 'runtime', 'a.ts'), future, future);
    await prepare();
    expect(await calls()).toBe('tsc\n');
  });

  test('a changed lock file installs again', async () => {
    await utimes(join(root, 'package-lock.json'), future, future);
    await prepare();
    expect(await calls()).toBe(CI);
  });

  test('what was built from a source that is gone is removed', async () => {
    const stale = join(root, 'dist', 'runtime', 'gone.js');
    await writeFile(stale, '');
    await utimes(stale, new Date(0), new Date(0));
    await utimes(join(root, 'runtime'), future, future);
    await prepare();
    expect(await readdir(join(root, 'dist', 'runtime'))).toEqual(['a.js']);
  });

  test('a build that failed shows why and is tried again', async () => {
    await writeFile(join(root, 'runtime', 'broken.ts'), '');
    const failed = await prepare();
    expect(failed).toEqual({ code: 1, output: 'building (tsc)\nbroken.ts(1,1): error\n\ncannot build\n' });
    await rm(join(root, 'runtime', 'broken.ts'));
    expect((await prepare()).code).toBe(0);
    expect(await calls()).toBe('tsc\ntsc\n');
  });

  test('a lock that a dead run left is taken over', async () => {
    await mkdir(join(root, '.prepare.lock'));
    await utimes(join(root, '.prepare.lock'), new Date(0), new Date(0));
    await utimes(join(root, 'runtime', 'a.ts'), future, future);
    expect(await prepare()).toMatchObject({ code: 0 });
    expect(await calls()).toBe('tsc\n');
  });
});
