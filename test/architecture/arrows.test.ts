import { describe, expect, test } from 'vitest';
import { type Import, roomOf, type SourceFile, sourcesOf } from './sources.js';

const ROOMS = ['runtime', 'registry', 'sidecar', 'resolver', 'cli'] as const;

/** Which rooms each room may import from, besides itself. */
const ARROWS: Readonly<Record<(typeof ROOMS)[number], readonly string[]>> = {
  runtime: [],
  registry: ['runtime'],
  sidecar: ['runtime', 'registry'],
  resolver: ['runtime', 'registry'],
  cli: ['runtime', 'registry', 'sidecar', 'resolver'],
};

const BACKENDS = ['consul', 'etcd', 'local', 'static', 'zookeeper'];

const files = sourcesOf(...ROOMS);

/** `from -> to` for every import that breaks the rule. */
function offences(
  sources: readonly SourceFile[],
  isWrong: (from: SourceFile, to: Import) => boolean,
): string[] {
  return sources.flatMap((from) =>
    from.imports.filter((to) => isWrong(from, to)).map(({ target }) => `${from.path} -> ${target}`),
  );
}

test('the rooms were found', () => {
  for (const room of ROOMS) expect(files.some(({ path }) => roomOf(path) === room)).toBe(true);
  expect(files.length).toBeGreaterThan(80);
});

test.each(ROOMS)('%s imports only from where its arrows point', (room) => {
  const inside = files.filter(({ path }) => roomOf(path) === room);
  const allowed = [room, ...ARROWS[room]];
  expect(
    offences(
      inside,
      (_from, { target }) => roomOf(target) !== undefined && !allowed.includes(roomOf(target) as string),
    ),
  ).toEqual([]);
});

test('no backend imports another', () => {
  const backendOf = (path: string) => BACKENDS.find((name) => path.startsWith(`registry/${name}/`));
  expect(
    offences(files, (from, { target }) => {
      const [mine, theirs] = [backendOf(from.path), backendOf(target)];
      return mine !== undefined && theirs !== undefined && mine !== theirs;
    }),
  ).toEqual([]);
});

test('registry/open.ts alone names the backends, and loads them lazily', () => {
  const isBackend = (path: string) => BACKENDS.some((name) => path.startsWith(`registry/${name}/`));
  expect(
    offences(files, (from, { target, kind }) => {
      if (!isBackend(target) || isBackend(from.path)) return false;
      return from.path !== 'registry/open.ts' || kind !== 'dynamic';
    }),
  ).toEqual([]);
});

test('only metrics.ts files know prom-client', () => {
  expect(
    offences(files, ({ path }, { target }) => target === 'prom-client' && !path.endsWith('/metrics.ts')),
  ).toEqual([]);
});

test('examples import the package by its name, as a user would', () => {
  expect(
    offences(sourcesOf('examples'), (_from, { target }) =>
      ROOMS.includes(roomOf(target) as (typeof ROOMS)[number]),
    ),
  ).toEqual([]);
});

describe('what a caller loads with the resolver', () => {
  const loaded = reachable('resolver/index.ts');

  test('is no package at all, only node itself', () => {
    expect(
      [...loaded].filter((target) => roomOf(target) === undefined && !target.startsWith('node:')),
    ).toEqual([]);
  });

  test('is no backend, no sidecar, no command line', () => {
    const rooms = new Set([...loaded].map(roomOf));
    expect([...rooms].filter((room) => room !== undefined).sort()).toEqual([
      'registry',
      'resolver',
      'runtime',
    ]);
    expect(
      [...loaded].filter((path) => BACKENDS.some((name) => path.startsWith(`registry/${name}/`))),
    ).toEqual([]);
  });
});

test.each(['cli/commands/sidecar.ts', 'sidecar/service.ts', 'sidecar/probes/create.ts', 'registry/open.ts'])(
  '%s loads the large packages only with what needs them',
  (entry) => {
    const loaded = reachable(entry);
    expect(['undici', 'yaml', 'consul'].filter((name) => loaded.has(name))).toEqual([]);
  },
);

/** Everything that is loaded when `entry` is: static imports that are more than types. */
function reachable(entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const source = files.find((file) => file.path === path);
    for (const { target, kind } of source?.imports ?? []) if (kind === 'static') visit(target);
  };
  visit(entry);
  return seen;
}

test('no file is part of an import cycle, types included', () => {
  expect(cycles(files)).toEqual([]);
});

test('the search for cycles finds one', () => {
  const file = (path: string, target: string): SourceFile => ({
    path,
    text: '',
    imports: [{ target, kind: 'type' }],
  });
  expect(cycles([file('a', 'b'), file('b', 'c'), file('c', 'a'), file('d', 'a')])).toEqual([
    'a -> b -> c -> a',
  ]);
});

/** Each cycle once, as the path that closes it. */
function cycles(sources: readonly SourceFile[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) found.push([...trail.slice(at), path].join(' -> '));
    if (at !== -1 || done.has(path)) return;
    for (const { target, kind } of byPath.get(path)?.imports ?? []) {
      if (kind !== 'dynamic' && byPath.has(target)) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return found;
}

describe('time and chance come as arguments', () => {
  const FORBIDDEN = /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|performance\.now)\b/;
  /** The clock itself, and the one place where a host-wide clock is read. */
  const ALLOWED = ['runtime/clock.ts'];
  const inRooms = files.filter(
    ({ path }) => !ALLOWED.includes(path) && !path.startsWith('registry/testing/'),
  );

  test('outside runtime/clock.ts nobody reads a clock, starts a timer or rolls a die', () => {
    const offenders = inRooms
      .filter(({ text }) => FORBIDDEN.test(withoutComments(text)))
      .map(({ path }) => path);
    expect(offenders).toEqual([]);
  });

  test('nobody sorts by chance, which favours some places over others (T5)', () => {
    const SORTED_BY_CHANCE = /\.(?:sort|toSorted)\(\s*\(\s*\)\s*=>/;
    expect(SORTED_BY_CHANCE.test('items.sort(() => random.next() - 0.5)')).toBe(true);
    const offenders = [...files, ...sourcesOf('examples', 'bench', 'test')]
      .filter(({ text }) => SORTED_BY_CHANCE.test(withoutComments(text)))
      .map(({ path }) => path)
      .filter((path) => path !== 'test/architecture/arrows.test.ts');
    expect(offenders).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}
