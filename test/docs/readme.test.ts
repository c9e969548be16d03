/** Every code block of the README and of the pages beside it does what it says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks, readDocument } from './markdown.js';
import { Snippets } from './snippets.js';

const FILES = [
  'README.md',
  'docs/configuration.md',
  'docs/http.md',
  'docs/metrics.md',
  'docs/passive-health.md',
  'docs/policies.md',
  'docs/retries.md',
  'docs/the-list.md',
  'examples/README.md',
];

describe.each(FILES)('in %s', (file) => {
  let snippets: Snippets;

  beforeAll(async () => {
    snippets = await Snippets.start();
  });

  afterAll(() => snippets.close());

  // What Prometheus would run is looked at by metrics.test.ts.
  const blocks = codeBlocks(file).filter(({ language }) => language !== 'promql');
  test.each(blocks)('the block at $place runs ($language)', (block) => snippets.run(block));
});

describe('a block that proves nothing is an error', () => {
  let snippets: Snippets;

  beforeAll(async () => {
    snippets = await Snippets.start();
  });

  afterAll(() => snippets.close());

  test.each([
    ['an unknown language', 'toml', 'a = 1'],
    ['no language', '', 'npm test'],
    ['an unknown command', 'sh', 'rm -r node_modules'],
    ['an unknown script', 'sh', 'npm run nothing'],
    ['an unknown option of the demo', 'sh', 'npm start -- --twice'],
    ['an unknown option of a command', 'sh', 'npx pilotfish ls --colour'],
    ['a caller that fails', 'js', "import { nothing } from 'pilotfish';"],
    ['a wrong configuration', 'yaml', 'services: []'],
    ['an endpoints file with a wrong entry', 'json', '{ "orders": [{ "host": "10.0.0.1" }] }'],
  ])('%s', async (_, language, text) => {
    await expect(snippets.run({ language, text, place: 'here' })).rejects.toThrow();
  });
});

test('the README opens with two sentences, the two commands, a caller of 10 lines and a sidecar of 5', () => {
  const opening = readDocument('README.md').split('\n\n')[1] ?? '';
  expect(opening.match(/\.(?=\s|$)/g)).toHaveLength(2);
  const [commands, caller, sidecar] = codeBlocks('README.md');
  expect(commands?.text).toBe('npm start\nnpm test\n');
  expect(linesOf(caller?.text).length).toBeLessThanOrEqual(10);
  expect(linesOf(sidecar?.text).length).toBeLessThanOrEqual(5);
});

function linesOf(text = ''): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
