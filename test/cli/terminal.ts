/** Runs a command in this process, with streams that remember what was written to them. */
import type { ExitCode } from '../../cli/command.js';
import { outputTo } from '../../cli/output.js';
import { runProgram } from '../../cli/program.js';

export interface Ran {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Terminal {
  readonly env?: Readonly<Record<string, string>>;
  /** Whether both streams are a terminal. Default false. */
  readonly isTTY?: boolean;
  readonly stop?: AbortSignal;
}

export async function run(
  args: readonly string[],
  { env = {}, isTTY = false, stop = new AbortController().signal }: Terminal = {},
): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) =>
    outputTo({ isTTY, write: (text) => (written[name] += text) }, undefined);
  const code = await runProgram(args, '0.0.0', {
    env,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    stop,
  });
  return { code, ...written };
}
