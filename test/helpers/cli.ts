/** Runs the built command line as a real process. `npm test` has built it before. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CliOptions {
  /** Over the environment of the test, from which every `PILOTFISH_` variable is taken out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The program that runs it. Default: the Node that runs the test. */
  readonly node?: string;
}

export interface CliResult {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves once the condition holds; rejects, with what was said so far, when the process ends before it does. */
  readonly until: (isTrue: (stdout: string, stderr: string) => boolean) => Promise<void>;
  readonly ended: Promise<CliResult>;
}

/** What a test that failed has left behind ends with the process of the test. */
const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});
// So ends the process of a test, and then without an `exit` unless somebody asks for it.
process.once('SIGTERM', () => process.exit(143));

/** The result of a command that ends by itself. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** A command that goes on. Whoever starts it ends it, by a signal to `child`. */
export function startCli(
  args: readonly string[],
  { env = {}, cwd, node = process.execPath }: CliOptions = {},
): RunningCli {
  const child = spawn(node, [CLI, ...args], {
    env: { ...ownEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  return followed(child);
}

/** The environment of the test without what would configure a command. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PILOTFISH_'));
  return Object.fromEntries(inherited);
}

/** A process whose words are kept, and which ends with that of the test at the latest. */
export function followed(child: ChildProcessByStdio<null, Readable, Readable>): RunningCli {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
  });
  const until: RunningCli['until'] = (isTrue) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (isTrue(stdout, stderr)) resolve();
      };
      child.stdout.on('data', check);
      child.stderr.on('data', check);
      child.once('close', () => reject(new Error(`it ended early\n${stdout}\n${stderr}`)));
      check();
    });
  return { child, stdout: () => stdout, stderr: () => stderr, until, ended };
}
