/** `npm run bench` as a program: what it accepts and the shape of what it prints. How fast anything is, is no test. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { PEERS } from '../../bench/peer.js';
import type { Traffic } from '../../bench/zookeeper-wire.js';

const PROGRAM = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));
/** Some seconds on a quiet machine, more beside other tests. */
const LIMIT_MS = 120_000;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function bench(...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { timeout: LIMIT_MS });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

interface Table {
  readonly title: string;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

function tablesIn(stdout: string): readonly Table[] {
  const lines = stdout.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Table);
}

function contendersOf(table: Table | undefined): readonly unknown[] {
  return [...new Set(table?.rows.map(({ contender }) => contender))];
}

const UPDATED = [
  'round-robin',
  'random',
  'least loaded',
  'peak EWMA',
  'consistent hash',
  'subset of 20, round-robin',
];

const spread = { median: expect.any(Number), min: expect.any(Number), max: expect.any(Number) };

describe('the bench program', () => {
  test('says with --help what it measures, and measures nothing', async () => {
    const { code, stdout, stderr } = await bench('--help');
    expect(code).toBe(0);
    for (const word of ['pick', 'updates', 'zookeeper', 'sidecar', 'death', '--json', '--quick'])
      expect(stdout).toContain(word);
    expect(stderr).toBe('');
  });

  test.each([
    { args: ['consul'], message: 'expected one of: pick, updates, zookeeper, sidecar, death, got "consul"' },
    { args: ['--fast'], message: 'expected one of: --quick, --json, --help, got "--fast", at --fast' },
  ])('refuses $args before it measures anything', async ({ args, message }) => {
    const { code, stdout, stderr } = await bench(...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
  });

  test('prints the machine once, then a line of JSON for each table, progress apart', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout, stderr } = await bench('--quick', '--json', 'pick');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('measuring pick') });
    const [machine, ...picks] = tablesIn(stdout);
    expect(machine?.rows).toEqual([
      expect.objectContaining({ node: process.versions.node, cores: expect.any(Number) }),
    ]);
    expect(picks.map(({ title }) => title)).toEqual([
      expect.stringContaining('ns by number of endpoints'),
      expect.stringContaining('times the bare loop'),
      expect.stringContaining('bytes allocated'),
    ]);
    const cell = { nanoseconds: spread, timesFloor: spread, bytes: expect.any(Number) };
    for (const pick of picks) {
      expect(contendersOf(pick)).toEqual(expect.arrayContaining(['bare counter', 'least loaded', ...PEERS]));
      for (const { sizes } of pick.rows) {
        expect(sizes).toEqual([{ endpoints: 100, ...cell }]);
      }
    }
  });

  test('prints what a change of a list costs, what many do in a second, and the memory of an endpoint', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout } = await bench('--quick', '--json', 'updates');
    expect(code).toBe(0);
    const [, changes, bursts, memory, ...others] = tablesIn(stdout);
    expect(others).toEqual([]);
    for (const table of [changes, bursts, memory]) {
      expect(contendersOf(table)).toEqual([...UPDATED, ...PEERS.filter((name) => !name.endsWith('Random'))]);
    }
    for (const row of changes?.rows ?? [])
      expect(row).toMatchObject({ milliseconds: spread, processorMs: spread });
    for (const row of bursts?.rows ?? []) {
      expect(row).toMatchObject({
        longestStallMs: spread,
        longestTurnMs: spread,
        pickP99Us: spread,
        lastKnownMs: spread,
        processor: spread,
      });
    }
    for (const row of memory?.rows ?? []) expect(row).toMatchObject({ bytesPerEndpoint: expect.any(Number) });
  });

  test('prints how long a dead service is still listed, beside a connection that closes', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout } = await bench('--quick', '--json', 'death');
    expect(code).toBe(0);
    const [, deaths] = tablesIn(stdout);
    expect(contendersOf(deaths)).toEqual(['local, held connection', 'local, checks only']);
    for (const row of deaths?.rows ?? []) {
      expect(row).toMatchObject({ deaths: 2, milliseconds: spread, timesClosed: spread });
    }
  });

  test('prints lists, changes, reads and memory of each ZooKeeper client; a change of a list stays small', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout } = await bench('--quick', '--json', 'zookeeper');
    expect(code).toBe(0);
    const [, lists, changes, gets, memory] = tablesIn(stdout);
    const packages = ['zookeeper', 'node-zookeeper-client'];
    const clients = [...packages, 'pilotfish client'];
    expect(contendersOf(lists)).toEqual([...clients, 'pilotfish']);
    expect(contendersOf(changes)).toEqual([...clients, 'pilotfish']);
    expect(contendersOf(gets)).toEqual(clients);
    expect(contendersOf(memory)).toEqual(clients);
    for (const row of [...(lists?.rows ?? []), ...(changes?.rows ?? [])]) {
      const timesFaster = Object.fromEntries(packages.map((name) => [name, spread]));
      expect(row).toMatchObject({ children: 1000, milliseconds: spread, timesFaster });
    }
    const ours = changes?.rows.filter(({ contender }) => contender === 'pilotfish') ?? [];
    expect(ours.map(({ change }) => change)).toEqual(['create', 'set', 'delete']);
    for (const { traffic } of ours) {
      const { operations, bytesIn } = traffic as Traffic;
      expect(operations).toEqual({ 'multi-read': 1 });
      expect(bytesIn).toBeLessThan(1_000);
    }
  });
});
