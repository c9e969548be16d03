/**
 * What the helper reads from its surroundings, passed as an argument everywhere so that a test can say
 * "a machine without anything" without touching the real environment.
 */
import { execFile } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where downloads are kept: never inside the project, so that a clean checkout stays clean. */
export function cacheFolder(env: Environment): string {
  if (env.PILOTFISH_TEST_CACHE) return env.PILOTFISH_TEST_CACHE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'pilotfish');
  return join(env.HOME ?? homedir(), '.cache', 'pilotfish');
}

/** The full path of a program, or undefined when PATH has none. */
export async function findOnPath(program: string, env: Environment): Promise<string | undefined> {
  const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute);
  for (const folder of folders) {
    if (await isExecutable(join(folder, program))) return join(folder, program);
  }
  return undefined;
}

export async function isExecutable(path: string): Promise<boolean> {
  const runnable = access(path, constants.X_OK).then(() => stat(path));
  return runnable.then(
    (found) => found.isFile(),
    () => false,
  );
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export interface RunOptions {
  readonly env: Environment;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end and gives what it printed; a failure carries the first line of its complaint. */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { env, cwd, timeoutMs = 300_000 } = options;
  const path = isAbsolute(file) ? file : await findOnPath(file, env);
  if (path === undefined) throw new Error(`no ${file} on PATH`);
  return new Promise((resolve, reject) => {
    const settings = { env: { ...env, LC_ALL: 'C' }, cwd, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 };
    execFile(path, [...args], settings, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file}: ${complaint(stderr) ?? error.message}`));
      else resolve(stdout);
    });
  });
}

function complaint(stderr: string): string | undefined {
  const lines = stderr.split('\n').map((line) => line.trim());
  const line = lines.find((line) => line.startsWith('E:')) ?? lines.find((line) => line !== '');
  return line?.replace(/^E: /, '').replace(/\.$/, '');
}
