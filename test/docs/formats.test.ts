/** docs/formats.md names the formats that there are, and each of its samples is an entry of the format it stands under. */
import { describe, expect, test } from 'vitest';
import { ETCD_FORMATS } from '../../registry/etcd/settings.js';
import { type FormatName, loadFormat } from '../../registry/formats/index.js';
import { open } from '../../registry/open.js';
import { ZK_FORMATS } from '../../registry/zookeeper/settings.js';
import { codeIn, readDocument, tables } from './markdown.js';

const text = readDocument('docs/formats.md');
const ALL = new Set<FormatName>([...ZK_FORMATS, ...ETCD_FORMATS]);

interface DocSample {
  readonly format: FormatName;
  readonly path: string;
  readonly content: string;
}

/** A paragraph that begins with a format and where an entry of it is, and the block below it. */
const SAMPLES: readonly DocSample[] = [
  ...text.matchAll(/^`([\w-]+)`, in `([^`]+)`[^\n]*\n(?:[^\n]+\n)*\n```text\n([^\n]*)\n```$/gm),
].map(([, format, path, content]) => ({ format, path, content }) as DocSample);

describe.each([
  ['In ZooKeeper', ZK_FORMATS, 'zookeeper'],
  ['In etcd', ETCD_FORMATS, 'etcd'],
] as const)('%s', (heading, known, scheme) => {
  const table = tables(text).find((each) => each.heading === heading);

  test('every format is in the table, and no other', () => {
    expect(table?.rows.flatMap(([format = '']) => codeIn(format))).toEqual([...known].sort(asIn(known)));
  });

  test.each(table?.rows ?? [])(
    '%s is written if the table says so, and read',
    async (cell, _node, written) => {
      const [format = ''] = codeIn(cell ?? '');
      const registry = await open(`${scheme}://127.0.0.1:1/path?format=${format}`);
      expect('register' in registry).toBe(written !== 'no');
      await registry.close();
    },
  );
});

/** The table has its own order. */
function asIn(known: readonly string[]): (a: string, b: string) => number {
  const table = known === ETCD_FORMATS ? 'In etcd' : 'In ZooKeeper';
  const rows = tables(text).find(({ heading }) => heading === table)?.rows ?? [];
  const order = rows.map(([format = '']) => codeIn(format)[0]);
  return (a, b) => order.indexOf(a) - order.indexOf(b);
}

test('every format has a sample', () => {
  const shown = new Set(SAMPLES.map(({ format }) => format));
  expect([...ALL].filter((format) => format !== 'auto' && !shown.has(format))).toEqual([]);
  expect(text.match(/^```text$/gm)).toHaveLength(SAMPLES.length);
});

test.each(SAMPLES)('$format: $path is an entry of the format', async ({ format, path, content }) => {
  const { decode, companions, folder } = await loadFormat(format);
  const parts = path.replace(/^\//, '').split('/');
  const name = parts.pop() || content;
  const data = path.endsWith('/') ? undefined : Buffer.from(content);
  const service = format === 'kafka' ? 'kafka' : serviceOf(parts, format);
  expect(parts.join('/')).toContain(folder(service));
  if (companions?.owns(name)) return expect(weightBy({ name, data })).resolves.toBe(1.3);
  expect(decode({ name, data }, service)).toMatchObject({ ok: true, value: { service } });
});

function serviceOf(folders: readonly string[], format: FormatName): string {
  return folders.at(format === 'dubbo' ? -2 : -1) ?? '';
}

/** What the sample of a vector makes of the sample of a member. */
async function weightBy(vector: { name: string; data: Buffer | undefined }): Promise<number | undefined> {
  const { decode, companions } = await loadFormat('serverset');
  const sample = SAMPLES.find(({ path }) => path.includes('/member_'));
  const name = sample?.path.split('/').at(-1) ?? '';
  const member = decode({ name, data: Buffer.from(sample?.content ?? '') }, 'web');
  return member.ok ? companions?.adjust({ name, instance: member.value }, [vector]).weight : undefined;
}
