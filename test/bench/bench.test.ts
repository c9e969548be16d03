/** `npm run bench` as a program: what it accepts and the shape of what it prints. How fast anything is, is no test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TOPICS } from '../../bench/options.js';
import { PEERS } from '../../bench/peer.js';
import type { Traffic } from '../../bench/traffic.js';

const PROGRAM = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));
/** Some seconds on a quiet machine, more beside other tests: a limit for what hangs. */
const LIMIT_MS = 300_000;

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

function trafficOf(table: Table | undefined, contender: string): readonly Traffic[] {
  const rows = table?.rows.filter((row) => row.contender === contender) ?? [];
  return rows.map(({ traffic }) => traffic as Traffic);
}

const operationsOf = (table: Table | undefined, contender: string) =>
  trafficOf(table, contender).map(({ operations }) => operations);
const bytesOf = (table: Table | undefined, contender: string) =>
  trafficOf(table, contender).map(({ bytesIn }) => bytesIn);

/** Those of the first scenario: nginx and HAProxy as proxies, and once more with a slow one as backends. */
const SERVERS = 5;
const CLIENTS = 7;

/** The processes that were told of this folder, by what they were started with or where they are to write. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const told = pids.map(async (pid) => {
    const parts = ['environ', 'cmdline'].map((part) =>
      readFile(`/proc/${pid}/${part}`, 'latin1').catch(() => ''),
    );
    return (await Promise.all(parts)).some((text) => text.includes(folder));
  });
  const isTold = await Promise.all(told);
  return pids.filter((_, at) => isTold[at]);
}

interface HttpRow {
  readonly p99Ms: { readonly min: number };
  readonly failedPercent: number;
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
    for (const word of [...TOPICS, '--json', '--quick']) expect(stdout).toContain(word);
    expect(stderr).toBe('');
  });

  test.each([
    { args: ['consul'], message: `expected one of: ${TOPICS.join(', ')}, got "consul"` },
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

  test('prints each way of sending a request, with three backends well, one slow, and one failing', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout, stderr } = await bench('--quick', '--json', 'http');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('measuring http') });
    const [, well, slow, failing] = tablesIn(stdout);
    const everywhere = [
      ...['undici Pool, one backend', 'hand-written round-robin', 'undici BalancedPool'],
      ...['pilotfish', 'pilotfish, least loaded', 'nginx', 'HAProxy'],
    ];
    const forSlow = ['pilotfish, peak EWMA', 'nginx, least_conn', 'HAProxy, leastconn'];
    expect(contendersOf(well)).toEqual(everywhere);
    expect(contendersOf(slow)).toEqual([...everywhere, ...forSlow]);
    expect(contendersOf(failing)).toEqual([...everywhere, 'nginx, retrying', 'HAProxy, retrying']);
    for (const row of [well, slow, failing].flatMap((table) => table?.rows ?? [])) {
      expect(row).toMatchObject({
        perSecond: spread,
        timesHandWritten: spread,
        p50Ms: spread,
        p99Ms: spread,
        failedPercent: expect.any(Number),
        processorUs: spread,
      });
    }
    const failed = [...(well?.rows ?? []), ...(slow?.rows ?? [])].map(({ failedPercent }) => failedPercent);
    expect(Math.max(...(failed as number[]))).toBe(0);
    const handWritten = ({ rows = [] }: Partial<Table> = {}): HttpRow =>
      rows.find(({ contender }) => contender === 'hand-written round-robin') as unknown as HttpRow;
    expect(handWritten(slow).p99Ms.min).toBeGreaterThan(45);
    expect(handWritten(failing).failedPercent).toBeGreaterThan(0);
  });

  test('leaves no process and no file when it is interrupted', { timeout: LIMIT_MS }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-interrupted-'));
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, [PROGRAM, 'http'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let told = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        told += text;
        if (told.includes('all three are well')) resolve();
      });
      child.once('exit', () => reject(new Error(`the bench ended: ${told}`)));
    });
    await expect.poll(() => processesOf(folder), { timeout: 60_000 }).toHaveLength(1 + SERVERS + CLIENTS);
    const exit = once(child, 'exit');
    child.kill('SIGINT');
    expect(await exit).toEqual([130, null]);
    await expect.poll(() => processesOf(folder), { timeout: 60_000 }).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
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

  test('prints lists and changes on etcd, ZooKeeper by format and Consul, and what each costs on the wire', {
    timeout: LIMIT_MS,
  }, async () => {
    const { code, stdout } = await bench('--quick', '--json', 'lists');
    expect(code).toBe(0);
    const [, ...tables] = tablesIn(stdout);
    expect(tables.map(({ title }) => title.split(', ', 2).join(', '))).toEqual([
      'etcd, first list',
      'etcd, one change',
      'zookeeper by format, first list',
      'zookeeper by format, one change',
      'consul, first list',
      'consul, one change',
    ]);
    for (const row of tables.flatMap(({ rows }) => rows)) {
      expect(row).toMatchObject({ instances: expect.any(Number), milliseconds: spread, timesFloor: spread });
    }
    const [etcdLists, etcdChanges, formatLists, formatChanges, consulLists, consulChanges] = tables;
    expect(contendersOf(etcdLists)).toEqual(['bare gateway', 'pilotfish']);
    expect(operationsOf(etcdLists, 'pilotfish')).toEqual([{ range: 1, watch: 1 }]);
    expect(operationsOf(etcdChanges, 'pilotfish')).toEqual([{ event: 1 }, { event: 1 }]);
    expect(contendersOf(formatLists)).toEqual(['nerve-path', 'nerve', 'serverset', 'curator', 'pilotfish']);
    expect(operationsOf(formatLists, 'nerve-path')).toEqual([{ sync: 1, 'add-watch': 1, list: 1 }]);
    expect(operationsOf(formatChanges, 'nerve-path')).toEqual([{ exists: 1 }, { exists: 1 }]);
    expect(operationsOf(formatLists, 'nerve')).toMatchObject([{ 'multi-read': 1 }]);
    expect(operationsOf(consulChanges, 'pilotfish')).toEqual([{ read: 1 }, { read: 1 }]);
    const [whole, packed] = ['pilotfish', 'pilotfish, gzip'].map((name) => bytesOf(consulLists, name)[0]);
    expect(packed).toBeLessThan((whole as number) / 5);
  });
});
