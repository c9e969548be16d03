import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { anchors, links, readDocument } from './markdown.js';

const DOCUMENTS = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'examples/README.md'],
  ...(readdirSync(join(ROOT, 'docs'), { recursive: true }) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(DOCUMENTS)(
  'every relative link of %s leads to a file, and to a heading where it names one',
  (file) => {
    const broken = links(file)
      .filter(({ target }) => !/^[a-z]+:/.test(target))
      .filter(({ target }) => !leadsSomewhere(file, target))
      .map(({ target, place }) => `${place}: ${target}`);
    expect(broken).toEqual([]);
  },
);

test.each(DOCUMENTS)('every source file that %s speaks of is there', (file) => {
  const spoken = [
    ...readDocument(file).matchAll(/`((?:[a-z-]+\/)+[\w-]+(?:\.[\w-]+)*\.(?:ts|mjs|json|yml))`/g),
  ];
  const missing = spoken.map((match) => match[1] as string).filter((path) => !existsSync(join(ROOT, path)));
  expect(missing).toEqual([]);
});

test('the index of the documentation has every page', () => {
  const pages = DOCUMENTS.filter((file) => /^docs\/[a-z-]+\.md$/.test(file));
  const index = links('docs/README.md').map(({ target }) => normalize(join('docs', target)));
  expect(pages.filter((page) => !index.includes(page))).toEqual([]);
});

function leadsSomewhere(from: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || (file.endsWith('.md') && anchors(readDocument(file)).has(anchor));
}
