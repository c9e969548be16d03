/** docs/operate.md shows commands and options that there are, and every one of them. */
import { expect, test } from 'vitest';
import { run } from '../cli/terminal.js';
import { codeBlocks, codeIn, readDocument, tables } from './markdown.js';

const FILE = 'docs/operate.md';
const COMMANDS = ['status', 'drain', 'undrain', 'maintenance', 'force', 'weight', 'reload', 'heartbeat'];

const [commands, options] = tables(readDocument(FILE)).filter(({ heading }) => heading === 'Commands');

async function helpOf(name: string): Promise<string> {
  return (await run(['help', name])).stdout;
}

async function optionsOf(name: string): Promise<readonly string[]> {
  return [...(await helpOf(name)).matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option = '']) => option);
}

test('every command is in the table, as its help says', async () => {
  const usages = (commands?.rows ?? []).map(([first = '']) => codeIn(first.replaceAll('\\|', '|'))[0]);
  expect(usages.map((usage) => usage?.split(' ')[0])).toEqual(COMMANDS);
  for (const [i, name] of COMMANDS.entries()) {
    expect(await helpOf(name)).toContain(`Usage: pilotfish ${usages[i]} [options]`);
  }
});

test('every option is in the table, for the commands that have it', async () => {
  const rows = (options?.rows ?? []).map(([option = '', , of = '']) => [
    codeIn(option)[0],
    of === 'all' ? COMMANDS : codeIn(of),
  ]);
  const known = await Promise.all(COMMANDS.map(optionsOf));
  const all = [...new Set(known.flat())];
  const expected = all.map((option) => [option, COMMANDS.filter((_, i) => known[i]?.includes(option))]);
  expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(expected));
});

const shown = codeBlocks(FILE)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.split(/\n| && /))
  .filter((line) => line.startsWith('pilotfish '));

test.each(shown)('%s', async (line) => {
  const [, name = ''] = line.split(' ');
  const known = await optionsOf(name);
  for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(known).toContain(option);
});
