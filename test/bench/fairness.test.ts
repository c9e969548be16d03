/** `npm run fairness` as a program: its tables are those of docs/fairness.md, to the last figure. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { withGenerated } from '../../bench/fairness/document.js';
import { readDocument, type Table, tables } from '../docs/markdown.js';

const FILE = 'docs/fairness.md';
const PROGRAM = fileURLToPath(new URL('../../dist/bench/fairness/main.js', import.meta.url));
/** Ten seconds on a quiet machine, some minutes where others use it. */
const LIMIT_MS = 600_000;

async function fairness(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, ...args]);
  const [code, ...texts] = await Promise.all([
    new Promise<number | null>((resolve) => child.once('close', resolve)),
    ...[child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString()),
  ]);
  const [stdout = '', stderr = ''] = texts;
  return { code, stdout, stderr };
}

describe('the tables', () => {
  let printed: string;

  beforeAll(async () => {
    const { code, stdout, stderr } = await fairness();
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^(… playing: .+\n)+$/) });
    printed = stdout;
  }, LIMIT_MS);

  test('are the published ones; if this fails, `npm run fairness -- --write`', () => {
    const document = readDocument(FILE);
    expect(document).toBe(withGenerated(document, printed));
  });

  test('have a row for every policy and every library', () => {
    for (const { heading, rows } of tables(printed).filter((table) => table.heading !== 'Subsets')) {
      const libraries = new Set(rows.map(([name = '']) => name.split(' ')[0]));
      expect([heading, ...libraries]).toEqual([heading, 'pilotfish', '@grpc/grpc-js', 'moleculer', 'undici']);
      expect(rows.length).toBeGreaterThanOrEqual(13);
    }
  });

  test('say of pilotfish what it promises', () => {
    const cell = (heading: string, policy: string, column: string): string =>
      cellOf(tables(printed).find((table) => table.heading === heading) as Table, policy, column);
    expect(cell('Lists that change', 'roundRobin', 'sent again')).toBe('1.00');
    expect(cell('Weights', 'roundRobin', '5:1, any 6')).toBe('1 to 1');
    expect(
      Number.parseFloat(cell('An endpoint that is of no use', 'roundRobin', 'dead, left out')),
    ).toBeLessThan(1);
    for (const policy of ['roundRobin', 'random', 'leastLoaded', 'peakEwma', 'consistentHash']) {
      expect(Number(cell('A rolling deploy', policy, 'busiest, at worst'))).toBeLessThanOrEqual(2);
    }
  });
});

function cellOf({ columns, rows }: Table, policy: string, column: string): string {
  const row = rows.find(([name]) => name === `pilotfish \`${policy}\``);
  return row?.[columns.indexOf(column)] ?? 'none';
}

test('an option that there is not is refused before anything is played', async () => {
  const { code, stdout, stderr } = await fairness('--wirte');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^fairness: .*--wirte/);
});

test('a document without the place for them is refused', () => {
  expect(() => withGenerated('# Fairness\n', 'x')).toThrow('expected the comments');
});
