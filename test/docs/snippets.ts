/**
 * Runs the code blocks of a document as a reader would: in an empty project that has pilotfish installed, beside a
 * service on port 8080 that is listed as `orders`. Everything listens on free ports here, and `local:` is a folder of
 * the document's own. A block that no rule knows is an error.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { readOptions } from '../../examples/demo/options.js';
import { ROOT } from '../architecture/sources.js';
import { ServiceProcess } from '../end-to-end/instance.js';
import { eventually, Sidecar } from '../end-to-end/world.js';
import { type CliResult, type RunningCli, startCli } from '../helpers/cli.js';
import { freePorts } from '../servers/ports.js';
import type { CodeBlock } from './markdown.js';

const TRIES = 20;

export class Snippets {
  readonly #folder: string;
  readonly #service: ServiceProcess;
  readonly #sidecar: Sidecar;
  readonly #adminPort: number;
  #started: RunningCli | undefined;
  #files = 0;

  private constructor(folder: string, service: ServiceProcess, sidecar: Sidecar, adminPort: number) {
    this.#folder = folder;
    this.#service = service;
    this.#sidecar = sidecar;
    this.#adminPort = adminPort;
  }

  /** Resolves when the service is listed. */
  static async start(): Promise<Snippets> {
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-docs-'));
    await mkdir(join(folder, 'tmp'));
    await mkdir(join(folder, 'node_modules'));
    await symlink(ROOT, join(folder, 'node_modules', 'pilotfish'));
    // It comes with pilotfish, and npm puts it beside it.
    await symlink(join(ROOT, 'node_modules', 'undici'), join(folder, 'node_modules', 'undici'));
    const [port, adminPort] = (await freePorts(1)) as [number, number];
    const service = await ServiceProcess.start(port);
    const sidecar = await Sidecar.start('local:', ['--service', 'orders', '--port', `${service.port}`], {
      TMPDIR: join(folder, 'tmp'),
    });
    await eventually('the service is listed', async () => (await sidecar.get('/readyz')).status === 200);
    return new Snippets(folder, service, sidecar, adminPort);
  }

  async close(): Promise<void> {
    await this.#stopStarted();
    await this.#sidecar.terminate();
    await this.#service.signal('SIGTERM');
    await rm(this.#folder, { recursive: true });
  }

  /** Rejects when the block does not do what it should, or nobody knows what that would be. */
  async run({ language, text, place }: CodeBlock): Promise<void> {
    if (language === 'sh') return this.#runShell(text);
    if (language === 'js') return this.#runScript(text);
    if (language === 'yaml') return this.#checkConfig(text, 'yaml');
    if (language === 'json') return this.#checkJson(text);
    throw new Error(
      `expected a block that a test can run (sh, js, yaml, json), got "${language}", at ${place}`,
    );
  }

  async #runShell(text: string): Promise<void> {
    const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
    for (const line of lines.map((each) => each.replace(/\s+#.*$/, '').trim())) {
      if (line !== '' && !line.startsWith('#')) await this.#runLine(line);
    }
  }

  async #runLine(line: string): Promise<void> {
    const [program, ...args] = line.split(/\s+/);
    if (program === 'npm') return checkNpm(args, line);
    if (program === 'curl') return this.#get(args, line);
    if (program !== 'npx' || args[0] !== 'pilotfish') throw new Error(`no rule runs the command: ${line}`);
    const [command, ...options] = args.slice(1).map((word) => this.#ports(word));
    const ends = options.some((option) => /^--(check|print)-config$/.test(option));
    if (command === 'sidecar' && !ends) return this.#startSidecar(options);
    if (command === 'watch') return this.#watch(options);
    expectDone(line, await this.#untilDone([command as string, ...options]));
  }

  /** A sidecar that was started a line before may not have registered yet: a reader would ask once more. */
  async #untilDone(args: readonly string[]): Promise<CliResult> {
    for (let tries = 1; ; tries++) {
      const result = await this.#pilotfish(args).ended;
      if (result.code !== 1 || tries === TRIES) return result;
    }
  }

  /** Goes on running, as it would in the reader's terminal, until the next one or the end. */
  async #startSidecar(options: readonly string[]): Promise<void> {
    await this.#stopStarted();
    const started = this.#pilotfish(['sidecar', ...options]);
    this.#started = started;
    await started.until((stdout) => stdout.includes('"message":"the sidecar runs"'));
  }

  async #stopStarted(): Promise<void> {
    this.#started?.child.kill('SIGINT');
    const ended = await this.#started?.ended;
    this.#started = undefined;
    if (ended !== undefined) expectDone('pilotfish sidecar', ended);
  }

  async #watch(options: readonly string[]): Promise<void> {
    const watching = this.#pilotfish(['watch', ...options]);
    await watching.until((stdout) => stdout.includes(' + '));
    watching.child.kill('SIGINT');
    expectDone('pilotfish watch', await watching.ended);
  }

  async #get(args: readonly string[], line: string): Promise<void> {
    const url = args.find((arg) => arg.startsWith('http://'));
    if (url === undefined) throw new Error(`no rule runs the command: ${line}`);
    await eventually(line, async () => (await fetch(this.#ports(url))).ok);
  }

  async #runScript(text: string): Promise<void> {
    const file = await this.#write(text, text.includes('require(') ? 'cjs' : 'mjs');
    const child = spawn(process.execPath, [file], {
      cwd: this.#folder,
      env: { ...process.env, NODE_NO_WARNINGS: '1', TMPDIR: join(this.#folder, 'tmp') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout.resume();
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0 || stderr !== '') throw new Error(`${basename(file)} ended with ${code}\n${stderr}`);
  }

  async #checkConfig(text: string, extension: string): Promise<void> {
    const file = await this.#write(text, extension);
    expectDone(text, await this.#pilotfish(['sidecar', '--config', file, '--check-config']).ended);
  }

  /** A configuration has services in a list; the file of `static:` has a list for each service. */
  async #checkJson(text: string): Promise<void> {
    const document: object = JSON.parse(text);
    if ('services' in document) return this.#checkConfig(text, 'json');
    const file = await this.#write(text, 'json');
    for (const service of Object.keys(document)) {
      const result = await this.#pilotfish(['ls', service, '--registry', `static:${file}`]).ended;
      expectDone(text, result);
      if (result.stderr !== '') throw new Error(result.stderr);
    }
  }

  /** A comment in the first line names the file, for commands that follow. */
  async #write(text: string, extension: string): Promise<string> {
    const [, named] = /^# (\S+\.yaml)$/m.exec(text.split('\n')[0] ?? '') ?? [];
    const file = join(this.#folder, named ?? `snippet-${++this.#files}.${extension}`);
    await writeFile(file, text);
    return file;
  }

  #pilotfish(args: readonly string[]): RunningCli {
    return startCli(args, {
      cwd: this.#folder,
      env: { TMPDIR: join(this.#folder, 'tmp'), PILOTFISH_DRAIN_WAIT: '0s' },
    });
  }

  #ports(word: string): string {
    return word
      .replace(/\b8080\b/, `${this.#service.port}`)
      .replace(/\b127\.0\.0\.1:9190\b/, `127.0.0.1:${this.#adminPort}`);
  }
}

function expectDone(what: string, { code, stdout, stderr }: CliResult): void {
  if (code !== 0) throw new Error(`${what}: exit code ${code}\n${stdout}${stderr}`);
}

/** What npm does itself is not run again inside `npm test`: scripts must exist, and know their options. */
async function checkNpm([command, ...rest]: readonly string[], line: string): Promise<void> {
  const { name, scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  if (command === 'install' && rest.join() === name) return;
  const script = command === 'run' ? rest[0] : command;
  if (script === undefined || !Object.hasOwn(scripts, script)) throw new Error(`no such script: ${line}`);
  const options = rest.slice(rest.indexOf('--') + 1);
  if (script === 'start' && rest.includes('--')) readOptions(options);
  else if (rest.includes('--') && script !== 'test') throw new Error(`no rule knows the options of: ${line}`);
}
