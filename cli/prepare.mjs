/**
 * What `npm start`, `npm test` and `npm run bench` need before they can run: the right Node, the dependencies and a
 * build. Runs in a fresh clone where nothing is installed, so it is plain JavaScript on Node's own modules. Says
 * nothing when there is nothing to do; any number may run at once.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (/** @type {string[]} */ ...names) => join(root, ...names);

/** Which minor brought `require()` of ES modules to the lines that began without it; see `engines` in package.json. */
const LOWEST_MINORS = new Map([
  [20, 19],
  [22, 12],
]);
const LAST_WITHOUT = 22;

/** What the build reads; see `tsconfig.build.json`. */
const ROOMS = ['runtime', 'registry', 'sidecar', 'resolver', 'cli', 'examples', 'bench'];
const SOURCES = [...ROOMS, 'test/servers', 'test/nodes', 'test/simulator'];
const BUILD_SETTINGS = ['tsconfig.json', 'tsconfig.build.json'];

const DIST = inRoot('dist');
/** Left by a build that succeeded, and as old as the moment at which that build began. */
const STAMP = inRoot('dist', '.built');

/** An empty directory, which git does not see. */
const LOCK = inRoot('.prepare.lock');
/** Whoever holds the lock touches it this often … */
const LOCK_TOUCH_MS = 1_000;
/** … and is taken for dead when it has not for this long. */
const LOCK_STALE_MS = 15_000;
const LOCK_POLL_MS = 200;

checkNode();
if (!isInstalled() || !isBuilt()) await alone(prepare);

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > LAST_WITHOUT || minor >= (LOWEST_MINORS.get(major) ?? Number.POSITIVE_INFINITY)) return;
  fail(`pilotfish needs Node 20.19, 22.12 or later, this is ${process.versions.node}`);
}

/** Asks again, as another run may have done it all while this one waited for the lock. */
async function prepare() {
  if (!isInstalled()) await install();
  if (!isBuilt()) await build();
}

/** npm writes a lock file of its own into node_modules at the end of an installation. */
function isInstalled() {
  return timeOf(inRoot('node_modules', '.package-lock.json')) >= timeOf(inRoot('package-lock.json'));
}

async function install() {
  console.log('installing the dependencies (npm ci)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--include=optional'];
  const done = npm === undefined ? await run('npm', args) : await run(process.execPath, [npm, ...args]);
  if (!done.ok) fail(`${done.output}\ncannot install the dependencies`);
  const driver = await run(process.execPath, ['-e', 'require("zookeeper")']);
  if (!driver.ok)
    console.log(
      'the optional package zookeeper did not compile here: only zookeeper://…?driver=native needs it',
    );
}

function isBuilt() {
  const built = timeOf(STAMP);
  return built > 0 && [...SOURCES, ...BUILD_SETTINGS].every((name) => newestIn(inRoot(name)) < built);
}

async function build() {
  console.log('building (tsc)');
  const began = new Date();
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const done = await run(process.execPath, [tsc, '-p', 'tsconfig.build.json']);
  if (!done.ok) fail(`${done.output}\ncannot build`);
  removeOlder(DIST, began.getTime());
  writeFileSync(STAMP, '');
  utimesSync(STAMP, began, began);
}

/**
 * What the build did not write anew belongs to sources that are gone.
 * @param {string} directory
 * @param {number} time in ms since the epoch
 */
function removeOlder(directory, time) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) removeOlder(path, time);
    else if (timeOf(path) < time - 1_000) rmSync(path);
  }
}

/**
 * The latest change in a file or a tree; a directory's own time tells of files that were removed.
 * @param {string} path
 * @returns {number} ms since the epoch
 */
function newestIn(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.mtimeMs ?? 0;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

/**
 * @param {string} path
 * @returns {number} ms since the epoch, 0 when there is no such file
 */
function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * Runs `work` while no other process does.
 * @param {() => Promise<void>} work
 */
async function alone(work) {
  for (let told = false; !takeLock(); told = true) {
    if (!told) console.log('waiting for another run that is preparing');
    await sleep(LOCK_POLL_MS);
  }
  process.once('exit', () => rmSync(LOCK, { recursive: true, force: true }));
  const touching = setInterval(() => utimesSync(LOCK, new Date(), new Date()), LOCK_TOUCH_MS);
  await work();
  clearInterval(touching);
}

/** Making a directory either succeeds or finds it made: that is the lock. */
function takeLock() {
  try {
    mkdirSync(LOCK);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    if (Date.now() - timeOf(LOCK) > LOCK_STALE_MS) discardLock();
    return false;
  }
}

/** Of several that find the lock stale one succeeds in renaming it; then all compete for a new one. */
function discardLock() {
  const aside = `${LOCK}.${process.pid}`;
  try {
    renameSync(LOCK, aside);
    rmSync(aside, { recursive: true });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
  }
}

/**
 * Runs a program in the project and keeps what it says, which matters only when it fails.
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
function run(program, args) {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => {
    child.kill();
    process.exit(1);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return new Promise((resolve) => {
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ ok: false, output: `${program}: ${error.message}` }));
    child.once('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ ok: code === 0, output });
    });
  });
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
