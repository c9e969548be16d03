/**
 * The real processes of the demo: toy services and sidecars. Whatever is started here is ended here, so each is in a process
 * group of its own: Ctrl-C at a terminal goes to every process of the group in front, and would end them in no order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const toyScript = fileURLToPath(new URL('./toy-service.js', import.meta.url));
const pilotfish = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

/** How long a process may take to end after SIGTERM. */
const END_LIMIT_MS = 12_000;

export interface RunningProcess {
  /** Resolves when it has ended by itself, politely asked, or by force after a limit. */
  stop(): Promise<void>;
  /** SIGKILL. Resolves when it has ended. */
  kill(): Promise<void>;
}

export interface ToyService extends RunningProcess {
  readonly port: number;
}

export interface SidecarProcess extends RunningProcess {
  readonly adminUrl: string;
}

/** Resolves when the service listens. */
export async function startToyService(name: string, port: number): Promise<ToyService> {
  const child = spawn(process.execPath, [toyScript, name, String(port)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  const [message] = await firstOf(child, once(child, 'message'), name);
  return { port: (message as { port: number }).port, ...control(child) };
}

/** Resolves when the sidecar runs; it registers in the background. */
export async function startSidecarProcess(args: readonly string[]): Promise<SidecarProcess> {
  const child = spawn(process.execPath, [pilotfish, 'sidecar', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const adminUrl = await firstOf(child, adminUrlIn(child), 'a sidecar');
  child.stdout?.resume();
  return { adminUrl, ...control(child) };
}

/** The sidecar logs JSON lines; the first one with `admin` says where it listens. */
async function adminUrlIn(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += chunk;
    const admin = /"admin":"([^"]+)"/.exec(text)?.[1];
    if (admin !== undefined) return admin;
  }
  // It is about to end without listening, and its exit tells more.
  return new Promise<never>(() => {});
}

async function firstOf<T>(child: ChildProcess, ready: Promise<T>, name: string): Promise<T> {
  const exited = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${name} ended with ${signal ?? `code ${code}`} before it was ready`);
  });
  return Promise.race([ready, exited]);
}

function control(child: ChildProcess): RunningProcess {
  const exited = once(child, 'exit');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
    await exited;
    clearTimeout(force);
  };
  process.once('exit', () => child.kill('SIGKILL'));
  return { stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
