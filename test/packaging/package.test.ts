/** What is published: the tarball that npm packs, installed into a folder where nothing else is. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';

const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Entries of the package and something that each must have. */
const ENTRIES: readonly (readonly [string, string])[] = [
  ['pilotfish', 'connect'],
  ['pilotfish/http', 'httpAgent'],
  ['pilotfish/grpc', 'registerGrpcResolver'],
  ['pilotfish/registry', 'open'],
  ['pilotfish/sidecar', 'startSidecar'],
  ['pilotfish/metrics', 'instrument'],
  ['pilotfish/testing', 'registryContract'],
];

let work: string;
/** A project with the package and its dependencies. */
let fresh: string;
/** A project with the package alone. */
let bare: string;
let files: readonly string[];

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'pilotfish-package-'));
  fresh = join(work, 'fresh');
  bare = join(work, 'bare');
  const packed = await npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', work);
  const [{ filename, files: listed }] = JSON.parse(packed);
  files = listed.map(({ path }: { path: string }) => path);
  await mkdir(fresh);
  await writeFile(join(fresh, 'package.json'), '{ "name": "fresh", "private": true }');
  await npm(fresh, 'install', join(work, filename), '--ignore-scripts', '--no-audit', '--prefer-offline');
  await mkdir(join(bare, 'node_modules'), { recursive: true });
  await cp(join(fresh, 'node_modules', 'pilotfish'), join(bare, 'node_modules', 'pilotfish'), {
    recursive: true,
  });
}, 180_000);

afterAll(() => rm(work, { recursive: true, force: true }));

/** The npm that runs these tests, or the one on PATH. */
async function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  const script = process.env.npm_execpath;
  const [file, first] = script === undefined ? ['npm', []] : [process.execPath, [script]];
  return (await run(file, [...first, ...args], { cwd, env: cleanEnvironment() })).stdout;
}

/** npm hands its own settings down to whatever runs in a script; a reader's shell has none of them. */
function cleanEnvironment(): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_)|INIT_CWD|PILOTFISH_)/.test(name),
  );
  return { ...Object.fromEntries(own), NODE_NO_WARNINGS: '1' };
}

/** What a script prints, run as a module of the project. */
async function node(cwd: string, kind: 'mjs' | 'cjs', script: string): Promise<string> {
  const file = join(cwd, `script.${kind}`);
  await writeFile(file, script);
  return (await run(process.execPath, [file], { cwd, env: cleanEnvironment() })).stdout.trim();
}

describe('the tarball', () => {
  const ROOMS = /^dist\/(runtime|registry|sidecar|resolver|cli)\/[\w/-]+\.(js|d\.ts)$/;
  const BESIDES = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'package.json',
    'sidecar/config.schema.json',
  ];

  test('holds the rooms, the schema and the papers, and nothing else', () => {
    expect(files.filter((file) => !ROOMS.test(file)).sort()).toEqual(BESIDES);
    expect(files.filter((file) => /\btests?\b|\.test\.|\bdemo\b|\bbench\b/.test(file))).toEqual([]);
  });

  test('has types beside every module, and no map that leads to a file that is not there', async () => {
    const modules = files.filter((file) => file.endsWith('.js'));
    expect(modules.length).toBeGreaterThan(100);
    expect(modules.filter((file) => !files.includes(file.replace(/\.js$/, '.d.ts')))).toEqual([]);
    for (const file of modules) {
      const text = await readFile(join(fresh, 'node_modules/pilotfish', file), 'utf8');
      expect(text).not.toContain('sourceMappingURL');
    }
  });

  test('has no module whose source is gone', () => {
    const sources = files
      .filter((file) => file.endsWith('.js'))
      .map((file) => file.replace(/^dist\//, '').replace(/\.js$/, '.ts'));
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
  });

  test('has nothing that publint complains of', async () => {
    const { messages, pkg } = await publint({ pkgDir: join(fresh, 'node_modules/pilotfish'), pack: false });
    const serious = messages.filter(({ type }) => type !== 'suggestion');
    expect(serious.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('installs only what it declares', async () => {
    const installed = JSON.parse(await readFile(join(fresh, 'node_modules/.package-lock.json'), 'utf8'));
    const own = installed.packages['node_modules/pilotfish'];
    expect(own.dependencies).toEqual(manifest.dependencies);
    expect(own.optionalDependencies).toEqual(manifest.optionalDependencies);
  });
});

describe.each(ENTRIES)('%s', (entry, name) => {
  test(`is imported, and has ${name}`, async () => {
    const script = `import * as all from '${entry}'; console.log(typeof all.${name})`;
    expect(await node(fresh, 'mjs', script)).toMatch(/function|object/);
  });

  test('is required, as the same thing', async () => {
    const script = `
      const required = require('${entry}');
      import('${entry}').then((imported) => console.log(imported.${name} === required.${name}));`;
    expect(await node(fresh, 'cjs', script)).toBe('true');
  });
});

describe('without a single dependency installed', () => {
  test('the resolver works on local: and static:', async () => {
    const script = `
      import { writeFileSync } from 'node:fs';
      import { connect } from 'pilotfish';
      writeFileSync('endpoints.json', '{ "orders": ["10.0.0.1:8080"] }');
      const discovery = await connect(['local:' + process.cwd() + '/registry', 'static:endpoints.json']);
      const orders = discovery.service('orders');
      await orders.ready();
      console.log(orders.pick().endpoint.host);
      await discovery.close();`;
    expect(await node(bare, 'mjs', script)).toBe('10.0.0.1');
  });

  test('so importing it loads no driver, no sidecar and no metrics; neither does pilotfish/testing', async () => {
    expect(await readdir(join(bare, 'node_modules'))).toEqual(['pilotfish']);
    for (const [entry, name] of ENTRIES.filter(([each]) => !/sidecar|metrics/.test(each))) {
      const script = `import * as all from '${entry}'; console.log(typeof all.${name})`;
      expect(await node(bare, 'mjs', script)).toMatch(/function|object/);
    }
  });

  test('what is missing is named where it is needed', async () => {
    const script = "import('pilotfish/metrics').catch(({ message }) => console.log(message))";
    expect(await node(bare, 'mjs', script)).toContain("'prom-client'");
  });
});

test('where the package zookeeper is missing, only the native driver is, and says so', async () => {
  const [there, aside] = [join(fresh, 'node_modules/zookeeper'), join(work, 'zookeeper')];
  if (existsSync(there)) await rename(there, aside);
  const script = `
    import { open } from 'pilotfish/registry';
    await (await open('zookeeper://127.0.0.1:9')).close();
    await open('zookeeper://127.0.0.1:9?driver=native').catch(({ code, message }) => console.log(code, message));`;
  expect(await node(fresh, 'mjs', script)).toMatch(
    /^DRIVER_MISSING zookeeper:\/\/…\?driver=native needs the npm package "zookeeper"/,
  );
});

describe('the command', () => {
  test('is installed, executable and knows its version', async () => {
    const { stdout } = await run(join(fresh, 'node_modules/.bin/pilotfish'), ['--version'], {
      cwd: fresh,
      env: cleanEnvironment(),
    });
    expect(stdout.trim()).toBe(manifest.version);
  });

  test('is what npx runs', async () => {
    expect((await npm(fresh, 'exec', '--offline', '--', 'pilotfish', '--version')).trim()).toBe(
      manifest.version,
    );
  });
});

describe('types', () => {
  const CONSUMER = `
import { connect, type Pick, type ServiceHandle } from 'pilotfish';
import { registerGrpcResolver } from 'pilotfish/grpc';
import { httpAgent } from 'pilotfish/http';
import { open, type Registry } from 'pilotfish/registry';
import { loadConfig, startSidecar } from 'pilotfish/sidecar';
import { instrument } from 'pilotfish/metrics';
import { registryContract, VirtualClock } from 'pilotfish/testing';

export async function use(): Promise<number> {
  const discovery = await connect('local:');
  const handle: ServiceHandle = discovery.service('orders');
  const pick: Pick = handle.pick();
  // @ts-expect-error: a port is a number, so these are real types and not any
  const port: string = pick.endpoint.port;
  const registry: Registry | undefined = undefined;
  const body: string = await (await discovery.fetch('http://orders/')).text();
  const { statusCode } = await discovery.dispatcher().request({ origin: 'http://orders', path: '/', method: 'GET' });
  void [body, statusCode, httpAgent(discovery), registerGrpcResolver, open, loadConfig, startSidecar, instrument, registryContract, new VirtualClock(), registry, port];
  return pick.endpoint.port;
}
`;
  const OPTIONS = {
    ...{ module: 'nodenext', target: 'es2023', strict: true, noEmit: true, types: ['node'] },
    ...{
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      typeRoots: [join(ROOT, 'node_modules/@types')],
    },
  };

  test.each([
    ['an ES module', 'mts'],
    ['a CommonJS module', 'cts'],
  ])('resolve for %s', async (_, extension) => {
    const folder = join(fresh, extension);
    await mkdir(folder);
    await writeFile(join(folder, `consumer.${extension}`), CONSUMER);
    const config = { compilerOptions: OPTIONS, files: [`consumer.${extension}`] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const result = await run(process.execPath, [tsc, '-p', folder], { cwd: dirname(folder) }).then(
      () => '',
      ({ stdout }) => stdout,
    );
    expect(result).toBe('');
  });
});
