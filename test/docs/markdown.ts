/** As much of Markdown as the tests of the documents need: code blocks, tables, links, anchors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../architecture/sources.js';

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** Where its first line stands, such as `README.md:12`. */
  readonly place: string;
}

export interface Table {
  /** The nearest heading above it. */
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Link {
  readonly target: string;
  readonly place: string;
}

/** @param file relative to the project, such as `docs/metrics.md`. */
export function readDocument(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

export function codeBlocks(file: string, text: string = readDocument(file)): readonly CodeBlock[] {
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '',
    text: match[2] ?? '',
    place: `${file}:${lineOf(text, match.index) + 1}`,
  }));
}

export function tables(text: string): readonly Table[] {
  const found: Table[] = [];
  let heading = '';
  let rows: (readonly string[])[] = [];
  for (const line of [...withoutCode(text).split('\n'), '']) {
    if (line.startsWith('#')) heading = line.replace(/^#+\s*/, '');
    if (line.startsWith('|')) rows.push(cellsOf(line));
    else if (rows.length > 0) {
      const [columns = [], , ...body] = rows;
      found.push({ heading, columns, rows: body });
      rows = [];
    }
  }
  return found;
}

/** The texts in backticks of one cell. */
export function codeIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
}

export function links(file: string, text: string = readDocument(file)): readonly Link[] {
  const plain = withoutCode(text).replaceAll(/`[^`\n]*`/g, (code) => ' '.repeat(code.length));
  return [...plain.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => ({
    target: match[1] as string,
    place: `${file}:${lineOf(text, match.index)}`,
  }));
}

/** The anchors of a document's headings, formed as GitHub forms them. */
export function anchors(text: string): ReadonlySet<string> {
  const headings = [...withoutCode(text).matchAll(/^#+\s+(.*)$/gm)].map((match) => match[1] as string);
  return new Set(headings.map((heading) => slug(heading)));
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

/** The same lines, with those of code blocks empty, so that places stay right. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, (block) => block.replaceAll(/[^\n]/g, ' '));
}

/** Cells are apart by bars; one with a backslash before it belongs to its cell. */
function cellsOf(line: string): readonly string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
