/**
 * Gets programs out of Debian packages into a cache folder, as any user and without installing anything:
 * the machine's own mirror and keys, but an apt state of our own, so neither root nor a prior
 * `apt-get update` is needed and nothing on the machine changes. Signatures and hashes are checked by apt.
 */
import { rmSync } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { type AptSource, formatAptSource, parseAptSources, sourcesForSuite } from './apt-sources.js';
import { cached } from './cache.js';
import { cacheFolder, type Environment, findOnPath, run } from './environment.js';

export interface Wanted {
  /** Names the tree in the cache and in the progress line. */
  readonly name: string;
  /** The packages whose dependencies are walked. */
  readonly roots: readonly string[];
  /** Which of the packages found on that walk are unpacked; the rest the machine has or the tests do not use. */
  readonly keep: RegExp;
  /** A Debian release, when the machine's own has no such package. */
  readonly suite?: string;
}

/** The folder that holds the unpacked packages; at once when cached, else after one line on stderr. */
export async function debianTree(wanted: Wanted, env: Environment): Promise<string> {
  const suite = wanted.suite ?? (await ownSuite());
  return cached(`debian-${suite}-${wanted.name}`, env, async (work) => {
    if (!(await findOnPath('apt-get', env))) throw new Error('no apt-get on PATH');
    process.stderr.write(`getting ${wanted.name} from Debian ${suite} …\n`);
    return unpack(wanted, await openArchive(suite, env), work);
  });
}

async function unpack(wanted: Wanted, archive: Archive, work: string): Promise<string> {
  const debs = join(work, 'debs');
  const tree = join(work, 'tree');
  await Promise.all([mkdir(debs), mkdir(tree)]);
  await archive.download(wanted, debs);
  for (const deb of await readdir(debs)) {
    await run('dpkg', ['-x', join(debs, deb), tree], { env: archive.env });
  }
  await relink(tree, tree);
  return tree;
}

/** Packages link to absolute paths (`/etc/java-17-openjdk/…`); outside `/` these must stay inside the tree. */
async function relink(folder: string, tree: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await relink(path, tree);
    if (entry.isSymbolicLink()) await relinkOne(path, tree);
  }
}

async function relinkOne(path: string, tree: string): Promise<void> {
  const target = await readlink(path);
  if (!isAbsolute(target)) return;
  const inside = await lstat(join(tree, target)).catch(() => undefined);
  if (!inside) return;
  await unlink(path);
  await symlink(relative(dirname(path), join(tree, target)), path);
}

// ——— one suite's package index, read once per process ———

interface Archive {
  readonly env: Environment;
  download(wanted: Wanted, into: string): Promise<void>;
}

const opened = new Map<string, Promise<Archive>>();

function openArchive(suite: string, env: Environment): Promise<Archive> {
  const key = `${suite} ${cacheFolder(env)}`;
  const archive = opened.get(key) ?? readArchive(suite, env);
  opened.set(key, archive);
  return archive;
}

async function readArchive(suite: string, env: Environment): Promise<Archive> {
  const sources = sourcesForSuite(await machineSources(), await ownSuite(), suite);
  if (sources.length === 0) throw new Error('no Debian archive among the sources of apt');
  const state = await mkdtemp(join(cacheFolder(env), '.apt-'));
  process.once('exit', () => rmSync(state, { recursive: true, force: true }));
  const config = await writeState(state, sources);
  // A second source that lacks the suite must not matter: what is missing shows when it is asked for.
  const problem = await run('apt-get', ['-c', config, '-q', 'update'], { env }).then(
    () => '',
    (error: Error) => error.message,
  );
  return { env, download: (wanted, into) => download(wanted, into, config, env, problem) };
}

async function download(
  wanted: Wanted,
  into: string,
  config: string,
  env: Environment,
  problem: string,
): Promise<void> {
  const no = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'];
  const walk = ['-c', config, 'depends', '--recurse', ...no.map((kind) => `--no-${kind}`), ...wanted.roots];
  const found = await run('apt-cache', walk, { env }).catch(() => '');
  const packages = found.split('\n').filter((line) => wanted.keep.test(line));
  if (packages.length === 0) throw new Error(problem || `Debian has no package ${wanted.roots.join(', ')}`);
  await run('apt-get', ['-c', config, '-q', 'download', ...packages], { env, cwd: into });
}

/** Everything apt writes goes below `state`; the machine's hooks after an update are not ours to run. */
async function writeState(state: string, sources: readonly AptSource[]): Promise<string> {
  const config = join(state, 'apt.conf');
  await mkdir(join(state, 'lib', 'lists', 'partial'), { recursive: true });
  await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(state, 'status'), '');
  await writeFile(join(state, 'suite.sources'), sources.map(formatAptSource).join(''));
  await writeFile(
    config,
    [
      '#clear APT::Update::Post-Invoke;',
      '#clear APT::Update::Post-Invoke-Success;',
      `Dir::State "${state}/lib";`,
      `Dir::State::status "${state}/status";`,
      `Dir::Cache "${state}/cache";`,
      `Dir::Etc::sourcelist "${state}/suite.sources";`,
      'Dir::Etc::sourceparts "-";',
      'APT::Sandbox::User "root";', // the sandbox user of apt cannot read a folder of ours
      'Acquire::Languages "none";',
      'Acquire::Retries "3";',
      '',
    ].join('\n'),
  );
  return config;
}

async function machineSources(): Promise<readonly AptSource[]> {
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => []);
  const files = ['/etc/apt/sources.list', ...parts.map((name) => join('/etc/apt/sources.list.d', name))];
  const parsed = await Promise.all(files.map(readSources));
  return parsed.flat();
}

async function readSources(file: string): Promise<readonly AptSource[]> {
  const format = file.endsWith('.sources') ? 'sources' : file.endsWith('.list') ? 'list' : undefined;
  if (format === undefined) return [];
  return parseAptSources(await readFile(file, 'utf8').catch(() => ''), format);
}

async function ownSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?(\w+)"?$/m.exec(release)?.[1];
  if (codename === undefined) throw new Error('this is not a Debian system');
  return codename;
}
