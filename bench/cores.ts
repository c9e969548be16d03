/**
 * A core for the client that is measured, and the others for whatever serves it. Without that the two move about and push
 * each other aside, and the figures follow the scheduler. Only where Linux and `taskset` are, and more than one core.
 */
import type { ForkOptions } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Command } from '../test/servers/child.js';
import { findOnPath } from '../test/servers/environment.js';

/** How to run what belongs to one side. */
export interface Side {
  /** For a program. */
  command(command: Command): Command;
  /** For `fork`. */
  readonly fork: ForkOptions;
}

export interface Cores {
  readonly client: Side;
  readonly servers: Side;
  /** For people. */
  readonly text: string;
}

const ANYWHERE: Side = { command: (command) => command, fork: {} };

export async function apartCores(): Promise<Cores> {
  const taskset = await findOnPath('taskset', process.env);
  const [first, ...others] = await allowedCores();
  if (taskset === undefined || first === undefined || others.length === 0) {
    return { client: ANYWHERE, servers: ANYWHERE, text: 'client and servers share the cores' };
  }
  const rest = others.join(',');
  const text = `client on core ${first}, servers on ${rest}`;
  return { client: pinned(taskset, `${first}`), servers: pinned(taskset, rest), text };
}

function pinned(taskset: string, cores: string): Side {
  return {
    command: (command) => ({ ...command, file: taskset, args: ['-c', cores, command.file, ...command.args] }),
    fork: { execPath: taskset, execArgv: ['-c', cores, process.execPath] },
  };
}

/** Those that this process may use; none where the system does not say. */
async function allowedCores(): Promise<readonly number[]> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? '';
  return list
    .split(',')
    .filter((part) => part !== '')
    .flatMap(coresOf);
}

/** `0-3` or `5`. */
function coresOf(part: string): readonly number[] {
  const [from = 0, to = from] = part.split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
