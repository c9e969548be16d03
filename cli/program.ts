/** From the arguments of the process to a command, and from what it throws to an exit code. */
import { isPilotfishError, messageOf } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import { BAD_INPUT, type Command, type ExitCode, FAILED, OK, type Surroundings } from './command.js';
import { heartbeatCommand } from './commands/heartbeat.js';
import { lsCommand } from './commands/ls.js';
import { resolveCommand } from './commands/resolve.js';
import { sidecarCommand } from './commands/sidecar.js';
import { watchCommand } from './commands/watch.js';

const COMMANDS: readonly Command[] = [sidecarCommand, lsCommand, watchCommand, resolveCommand, heartbeatCommand];

/** Never throws. */
export async function runProgram(
  args: readonly string[],
  version: string,
  surroundings: Surroundings,
): Promise<ExitCode> {
  try {
    return await dispatch(args, version, surroundings);
  } catch (error) {
    for (const line of linesOf(error)) surroundings.stderr.line(`pilotfish: ${line}`);
    return isPilotfishError(error, 'BAD_INPUT') ? BAD_INPUT : FAILED;
  }
}

/** Bad input keeps a line for each problem; anything else is one line. */
function linesOf(error: unknown): readonly string[] {
  return isPilotfishError(error, 'BAD_INPUT') ? error.message.split('\n') : [messageOf(error)];
}

async function dispatch(
  [name, ...args]: readonly string[],
  version: string,
  surroundings: Surroundings,
): Promise<ExitCode> {
  const { stdout, stderr } = surroundings;
  if (name === undefined) {
    stderr.write(overview());
    return BAD_INPUT;
  }
  const text = name === '--version' || name === '-v' ? `${version}\n` : helpAskedBy(name, args);
  if (text === undefined) return find(name).run(args, surroundings);
  stdout.write(text);
  return OK;
}

function helpAskedBy(name: string, args: readonly string[]): string | undefined {
  if (name === '--help' || name === '-h') return overview();
  if (name === 'help') return args[0] === undefined ? overview() : find(args[0]).help;
  return args.includes('--help') || args.includes('-h') ? find(name).help : undefined;
}

function find(name: string): Command {
  const names = COMMANDS.map((command) => command.name).join(', ');
  const command = COMMANDS.find((each) => each.name === name);
  return command ?? reject('the first argument', `one of: ${names}, help, --version`, describe(name));
}

function overview(): string {
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n');
  return `pilotfish: service discovery for services that never heard of it

Usage: pilotfish <command> [options]

${commands}
  help       what a command does, with examples

  --version  the version of pilotfish

Exit codes: 0 done, 1 a negative answer or a failure, 2 bad input (nothing was registered).
`;
}
