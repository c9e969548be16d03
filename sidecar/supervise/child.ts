/**
 * The supervised process. It shares our standard streams as they are, so that its output passes through nobody, and
 * leads a session and process group of its own, so that Ctrl-C reaches it only through us and the whole group can be
 * killed. Signals go to the process Node still holds unreaped: its number cannot have passed to a stranger.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '../../runtime/errors.js';
import { printable } from '../../runtime/printable.js';
import { type Ending, endingOf } from './ending.js';

/** The program and its arguments. No shell reads them. */
export type CommandLine = readonly [program: string, ...args: string[]];

export interface Child {
  readonly pid: number;
  /** Resolves when it has ended and is reaped: no zombie is left of it. */
  readonly ended: Promise<Ending>;
  /** To this process alone. Does nothing once it has ended. */
  readonly signal: (name: NodeJS.Signals) => void;
  /** SIGKILL to it and to whatever it started in its group. Synchronous; does nothing once it has ended. */
  readonly killGroup: () => void;
}

/** The command cannot be run. `exitCode` is what a shell says: 127 for not found, 126 for anything else. */
export class CommandNotStarted extends Error {
  readonly exitCode: 126 | 127;

  constructor(program: string, cause: unknown) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = isMissing ? 'no such program' : messageOf(cause);
    super(`cannot start "${printable(program, 200)}": ${why}`);
    this.name = 'CommandNotStarted';
    this.exitCode = isMissing ? 127 : 126;
  }
}

/** Resolves when the program runs. Rejects CommandNotStarted. */
export async function startChild(
  [program, ...args]: CommandLine,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Child> {
  try {
    const process = spawn(program, args, { env: { ...env }, stdio: 'inherit', detached: true });
    const ended = endOf(process);
    await once(process, 'spawn');
    // Afterwards the only error is a signal that was refused, by a child that has become another user's.
    process.on('error', () => {});
    return handleOf(process, ended);
  } catch (error) {
    throw new CommandNotStarted(program, error);
  }
}

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(endingOf(code, signal)));
  });
}

function handleOf(child: ChildProcess, ended: Promise<Ending>): Child {
  const pid = child.pid as number;
  return {
    pid,
    ended,
    signal: (name) => child.kill(name),
    killGroup: () => {
      if (child.exitCode === null && child.signalCode === null) killGroupOf(pid);
    },
  };
}

/** SIGKILL to all that is left of a process group. */
export function killGroupOf(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended but is not reaped yet, or belongs to another user by now; neither can be helped.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
