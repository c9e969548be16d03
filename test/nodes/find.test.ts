import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findNode } from './find.js';
import { belongsTo, type NodeLine } from './lines.js';

/** No machine has it, so that each way of having one is tried apart from what this machine has. */
const LINE: NodeLine = { major: 998, lowestMinor: 4, pinned: '998.5.1' };
const VARIABLE = 'PILOTFISH_TEST_NODE_998';

let folder: string;
let env: Readonly<Record<string, string>>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-nodes-'));
  await mkdir(join(folder, 'bin'));
  env = { PATH: join(folder, 'bin'), PILOTFISH_TEST_CACHE: join(folder, 'cache') };
});

afterEach(() => rm(folder, { recursive: true }));

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, 'bin', name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

it('the Node that runs this is used where it belongs to the line', async () => {
  const major = Number(process.versions.node.split('.')[0]);
  expect(await findNode({ major, lowestMinor: 0, pinned: '' }, env)).toBe(process.execPath);
});

describe('one named by the environment', () => {
  it('is used, also where another is on PATH', async () => {
    await program('node', 'echo v998.9.0');
    const mine = await program('mine', 'echo v998.4.0');
    expect(await findNode(LINE, { ...env, [VARIABLE]: mine })).toBe(mine);
  });

  it('must belong to the line', async () => {
    const old = await program('old', 'echo v998.3.9');
    await expect(findNode(LINE, { ...env, [VARIABLE]: old })).rejects.toThrow(
      `expected Node 998.4 or a later 998, got v998.3.9, at ${VARIABLE}=${old}`,
    );
  });

  it('must be a program', async () => {
    await expect(findNode(LINE, { ...env, [VARIABLE]: '/nowhere' })).rejects.toThrow(
      `got no program /nowhere, at ${VARIABLE}=/nowhere`,
    );
  });
});

it('one on PATH is used, by its number too', async () => {
  await program('node', 'echo v997.0.0');
  const numbered = await program('node-998', 'echo v998.4.0');
  expect(await findNode(LINE, env)).toBe(numbered);
});

describe('one from npm', () => {
  /** As npm installs it, slowly enough that several runs meet. */
  const npmThatHas = (version: string) =>
    program(
      'npm',
      `PATH=/bin:/usr/bin
      for last; do :; done
      to="node_modules/\${last%@*}/bin"
      mkdir -p "$to"
      sleep 0.1
      echo '#!/bin/sh
      echo v${version}' > "$to/node"
      chmod +x "$to/node"`,
    );

  it('is gotten into the cache once, however many want it', async () => {
    await npmThatHas('998.5.1');
    const binaries = await Promise.all([1, 2, 3].map(() => findNode(LINE, env)));
    expect(new Set(binaries).size).toBe(1);
    const entries = await readdir(join(folder, 'cache'));
    expect(entries).toEqual([expect.stringMatching(/^npm-node-.*-998\.5\.1$/)]);
    await rm(join(folder, 'bin'), { recursive: true });
    expect(await findNode(LINE, env)).toBe(binaries[0]);
  });

  it('must run here', async () => {
    await npmThatHas('1.0.0');
    await expect(findNode(LINE, env)).rejects.toThrow('expected Node 998.4 or a later 998, got v1.0.0');
  });

  it.each([
    ['npm is missing', undefined, 'and no npm on PATH.'],
    ['npm fails', 'echo "npm error code ENOTFOUND" >&2; exit 1', 'and npm: npm error code ENOTFOUND.'],
  ])('is told in one line with the ways out when %s', async (_, script, reason) => {
    if (script !== undefined) await program('npm', script);
    const failure = await findNode(LINE, env).catch((error: Error) => error.message);
    expect(failure).toContain(`cannot test without Node 998: it does not run this, PATH has none, ${reason}`);
    expect(failure).toContain(`Set ${VARIABLE}=/path/to/node`);
    expect(failure).not.toContain('\n');
  });
});

it.each([
  ['v998.4.0', true],
  ['998.10.0', true],
  ['v998.3.99', false],
  ['v997.9.0', false],
  ['no such file', false],
])('%s belongs to the line from 998.4: %s', (version, expected) => {
  expect(belongsTo(LINE, version)).toBe(expected);
});
