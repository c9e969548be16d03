/** The project's own source files and what each imports, for tests that check the direction of the arrows. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

export interface Import {
  /** A file of the project such as `registry/open.ts`, or the name of a package. */
  readonly target: string;
  readonly kind: 'static' | 'type' | 'dynamic';
}

export interface SourceFile {
  /** Relative to the project, such as `registry/open.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const STATIC = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)';/gms;
const DYNAMIC = /\bimport\('([^']+)'\)/g;

export function sourcesOf(...rooms: readonly string[]): readonly SourceFile[] {
  return rooms.flatMap((room) =>
    (readdirSync(join(ROOT, room), { recursive: true }) as string[])
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readSource(join(room, name))),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const imports: Import[] = [];
  for (const [, type, specifier] of text.matchAll(STATIC)) {
    imports.push({
      target: resolved(path, specifier as string),
      kind: type === undefined ? 'static' : 'type',
    });
  }
  for (const [, specifier] of text.matchAll(DYNAMIC)) {
    imports.push({ target: resolved(path, specifier as string), kind: 'dynamic' });
  }
  return { path, text, imports };
}

function resolved(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return relative(ROOT, join(ROOT, dirname(from), specifier)).replace(/\.js$/, '.ts');
}

/** The first folder of a project file; undefined for a package. */
export function roomOf(target: string): string | undefined {
  return /^([a-z]+)\/.+\.ts$/.exec(target)?.[1];
}
