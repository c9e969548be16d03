/** The processes that `sidecar.ts` measures. Whatever is started here ends with this process, and by its own handle. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../runtime/clock.js';

const PILOTFISH = fileURLToPath(new URL('../cli/main.js', import.meta.url));

/** How long a process may take to end after SIGTERM. */
const END_LIMIT_MS = 12_000;

/** Does nothing, for ever: the least that a Node process can be. */
export const IDLE_SCRIPT = 'setInterval(() => {}, 1e9)';

/** Sends one request, the least that a first check can be, and stays. */
export function requestScript(url: string): string {
  return `require('node:http').get('${url}'); ${IDLE_SCRIPT}`;
}

export function startNode(script: string): ChildProcess {
  return start(['-e', script]);
}

/** @param args of `pilotfish sidecar`. Its log is on `stdout`, which somebody must read. */
export function startSidecar(args: readonly string[]): ChildProcess {
  return start([PILOTFISH, 'sidecar', ...args]);
}

function start(args: readonly string[]): ChildProcess {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PILOTFISH_'));
  const child = spawn(process.execPath, args, {
    env: Object.fromEntries(own),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

/** Politely, by force after a limit. Resolves when it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.stdout?.resume();
  child.kill('SIGTERM');
  const cancelForce = systemClock.after(END_LIMIT_MS, () => child.kill('SIGKILL'));
  await exited;
  cancelForce();
}

/**
 * Where a sidecar's admin server listens: its first log line that has it says so. Reads on for as long as it runs, because
 * a sidecar whose log nobody reads waits for the reader.
 */
export function adminUrlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    let url: string | undefined;
    child.stdout?.on('data', (chunk: Buffer) => {
      if (url !== undefined) return;
      text += chunk.toString();
      url = /"admin":"([^"]+)"/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', () => reject(new Error(`the sidecar ended before it ran\n${text}`)));
  });
}
