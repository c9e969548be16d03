/** `npm start -- --once`, as a reader runs it, on every registry that can be written. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { sharedServer } from '../servers/index.js';

const SUMMARY =
  /^instances 3, requests (\d+), failed 0, time to leave (\d+\.\d\d) s, time to return (\d+\.\d\d) s$/m;

const DEMO = join(ROOT, 'dist', 'examples', 'demo', 'main.js');

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

async function demo(args: readonly string[]): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-demo-'));
  const child = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  await rm(folder, { recursive: true });
  return { code, output };
}

test.each([
  ['local', () => []],
  ['zookeeper', () => ['--registry', `zookeeper://${sharedServer('zookeeper')}/demo`]],
  ['consul', () => ['--registry', `consul://${sharedServer('consul')}`]],
])(
  'the demo on %s sees the leave and the return, and no request fails',
  async (_, args) => {
    const began = performance.now();
    const { code, output } = await demo(['--once', ...args()]);
    expect(output).toMatch(SUMMARY);
    expect(code).toBe(0);
    expect(Number(SUMMARY.exec(output)?.[1])).toBeGreaterThan(500);
    expect(performance.now() - began).toBeLessThan(30_000);
    // Without a terminal there is no table and no escape sequence.
    expect(output).not.toContain('\u001b');
  },
  60_000,
);

test('an option that it does not know ends it at once, with code 2', async () => {
  const { code, output } = await demo(['--twice']);
  expect(code).toBe(2);
  expect(output).toContain('--twice');
});

test('help says what it does and starts nothing', async () => {
  const { code, output } = await demo(['--help']);
  expect(code).toBe(0);
  expect(output).toMatch(/^Usage: npm start/m);
});
