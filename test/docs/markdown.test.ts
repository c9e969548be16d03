import { expect, test } from 'vitest';
import { anchors, codeBlocks, codeIn, links, tables } from './markdown.js';

const TEXT = `# A title

See [there](other.md#part) and \`[not](this.md)\`.

\`\`\`sh
ls # [nor](that.md)
\`\`\`

## The part, \`v1\`

| key | meaning |
|---|---|
| \`a\`, \`b\` | one \\| other |
| c | |
`;

test('code blocks with their language and place', () => {
  expect(codeBlocks('x.md', TEXT)).toEqual([
    { language: 'sh', text: 'ls # [nor](that.md)\n', place: 'x.md:6' },
  ]);
});

test('tables with the heading above them', () => {
  expect(tables(TEXT)).toEqual([
    {
      heading: 'The part, `v1`',
      columns: ['key', 'meaning'],
      rows: [
        ['`a`, `b`', 'one \\| other'],
        ['c', ''],
      ],
    },
  ]);
  expect(codeIn('`a`, `b`')).toEqual(['a', 'b']);
});

test('links outside of code', () => {
  expect(links('x.md', TEXT)).toEqual([{ target: 'other.md#part', place: 'x.md:3' }]);
});

test('anchors of headings', () => {
  expect([...anchors(TEXT)]).toEqual(['a-title', 'the-part-v1']);
});
