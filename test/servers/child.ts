/**
 * A child process that cannot outlive this one. Three ropes, because a runner may end in three ways:
 * `exit` kills what is left after a failure; `setpriv --pdeathsig` lets the kernel do it when the runner is
 * killed; where that program is missing, and for containers, a waiting shell sees its stdin close.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Environment, findOnPath } from './environment.js';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** The Docker client and the container to signal through it; otherwise the process itself is signalled. */
  readonly container?: { readonly docker: string; readonly name: string };
}

const alive = new Set<Child>();
process.on('exit', () => {
  for (const child of alive) child.signal('SIGKILL');
});
// A test worker is ended by SIGTERM, or, when its runner was killed, finds nobody to report to.
process.once('SIGTERM', () => process.exit(143));
process.once('disconnect', () => process.exit(1));

export async function spawnChild(command: Command, logFile: string): Promise<Child> {
  const setpriv = command.container ? undefined : await findOnPath('setpriv', process.env);
  const bound = setpriv ? ['--pdeathsig', 'KILL', '--', command.file] : [];
  const log = openSync(logFile, 'a');
  const started = spawn(setpriv ?? command.file, [...bound, ...command.args], {
    env: { ...command.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  return new Child(started, command, setpriv !== undefined);
}

export class Child {
  readonly pid: number | undefined;
  /** Settles when the process is gone, with how it ended; never rejects. */
  readonly ended: Promise<string>;
  readonly #container: Command['container'];
  #running = true;

  constructor(started: ChildProcess, command: Command, boundByKernel: boolean) {
    this.pid = started.pid;
    this.#container = command.container;
    const leash = boundByKernel ? undefined : leashTo(started.pid, command.container);
    alive.add(this);
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#running = false;
        alive.delete(this);
        leash?.kill('SIGKILL');
        resolve(how);
      };
      started.once('error', (error) => end(error.message));
      started.once('exit', (code, signal) => end(signal ?? `code ${code}`));
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** Does nothing once the process is gone, so a reused pid is never hit. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#running || this.pid === undefined) return;
    const { docker, name } = this.#container ?? {};
    if (docker && name) spawnSync(docker, ['kill', '--signal', signal, name], { stdio: 'ignore' });
    else process.kill(this.pid, signal);
  }

  /** True when it ended within the limit. */
  async endedWithin(limitMs: number): Promise<boolean> {
    const timer = new AbortController();
    const late = delay(limitMs, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([this.ended, late]);
    timer.abort();
    return !this.#running;
  }
}

/** A shell that only waits for our end of its stdin to close, which the kernel does however we end. */
function leashTo(pid: number | undefined, container: Command['container']): ChildProcess {
  const { docker, name } = container ?? {};
  const last = docker && name ? [docker, 'rm', '--force', name] : ['kill', '-9', String(pid)];
  const shell = spawn('/bin/sh', ['-c', 'cat >/dev/null; "$@" >/dev/null 2>&1', 'leash', ...last], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => undefined);
  shell.unref();
  return shell;
}
