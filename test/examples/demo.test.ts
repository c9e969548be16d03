/** `npm start -- --once`, as a reader runs it, on every registry that can be written. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { runCli } from '../helpers/cli.js';
import { MachineNoise } from '../helpers/machine-noise.js';
import { soon } from '../helpers/soon.js';
import { sharedServer } from '../servers/index.js';

const SUMMARY =
  /^instances 3, requests (\d+), failed 0, time to leave (\d+\.\d\d) s, time to return (\d+\.\d\d) s$/m;

const DEMO = join(ROOT, 'dist', 'examples', 'demo', 'main.js');

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

interface RunningDemo {
  /** Resolves once that was printed. */
  readonly says: (text: string) => Promise<void>;
  /** What a terminal does at Ctrl-C: it tells every process of the group in front. */
  readonly interrupt: () => void;
  readonly ended: Promise<Outcome>;
}

/** In a process group of its own, as a shell starts it. */
function startDemo(args: readonly string[], folder: string): RunningDemo {
  const child = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return {
    says: (text) => soon(() => expect(output).toContain(text)),
    interrupt: () => process.kill(-(child.pid as number), 'SIGINT'),
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, output }))),
  };
}

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-demo-'));
});

afterEach(() => rm(folder, { recursive: true }));

const demo = (args: readonly string[]): Promise<Outcome> => startDemo(args, folder).ended;

/** What is listed in the registry of the demo. */
const listed = async (): Promise<unknown> =>
  JSON.parse((await runCli(['ls', '--json'], { env: { TMPDIR: folder } })).stdout).services;

test.each([
  ['local', () => []],
  ['zookeeper', () => ['--registry', `zookeeper://${sharedServer('zookeeper')}/demo`]],
  ['consul', () => ['--registry', `consul://${sharedServer('consul')}`]],
  ['etcd', () => ['--registry', `etcd://${sharedServer('etcd')}/demo`]],
])(
  'the demo on %s sees the leave and the return, and no request fails',
  async (_, args) => {
    await using noise = await MachineNoise.start();
    const began = performance.now();
    const { code, output } = await demo(['--once', ...args()]);
    expect(output).toMatch(SUMMARY);
    expect(code).toBe(0);
    expect(Number(SUMMARY.exec(output)?.[1])).toBeGreaterThan(500);
    const tookMs = performance.now() - began;
    // Half a minute is what is promised, on a machine that has nothing else to do.
    expect(tookMs).toBeLessThan(30_000 + (await noise.total()));
    // Without a terminal there is no table and no escape sequence.
    expect(output).not.toContain('\u001b');
  },
  120_000,
);

test('Ctrl-C ends it when everything was seen, with 0, and nothing is left running or listed', async () => {
  const running = startDemo([], folder);
  await running.says('Ctrl-C stops everything');
  expect(await listed()).toMatchObject([{ instances: 3 }]);
  running.interrupt();
  const { code, output } = await running.ended;
  expect(output).toMatch(SUMMARY);
  expect(code).toBe(0);
  expect(await listed()).toEqual([]);
});

test('Ctrl-C twice ends it on the spot, and nothing is left running', async () => {
  const running = startDemo([], folder);
  await running.says('all 3 instances are listed');
  running.interrupt();
  running.interrupt();
  // Resolves when the last of its processes has let go of its output.
  expect((await running.ended).code).toBe(1);
});

test('a registry that no sidecar takes ends it with the reason and 1, and nothing is left running', async () => {
  const { code, output } = await demo(['--once', '--registry', 'static:endpoints.json']);
  expect(code).toBe(1);
  expect(output).toMatch(/^npm start: a sidecar ended with code 2 before it was ready$/m);
});

test.each([
  ['an option that it does not know', ['--twice'], '--twice'],
  [
    'a URL that makes no sense',
    ['--registry', 'redis://127.0.0.1'],
    'expected a URL that starts with local:',
  ],
])('%s ends it at once, with code 2', async (_, args, said) => {
  const { code, output } = await demo(args);
  expect(code).toBe(2);
  expect(output).toContain(said);
});

test('help says what it does and starts nothing', async () => {
  const { code, output } = await demo(['--help']);
  expect(code).toBe(0);
  expect(output).toMatch(/^Usage: npm start/m);
});
