/** From the arguments of the process to a command, and from what it throws to an exit code. */
import { isPilotfishError, messageOf } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import { splitAtDashes } from './arguments.js';
import {
  BAD_INPUT,
  type Command,
  type CommandEntry,
  type ExitCode,
  FAILED,
  OK,
  type Surroundings,
} from './command.js';

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  sidecar: {
    summary: 'probe a service and keep it listed while it is healthy',
    load: async () => (await import('./commands/sidecar.js')).command,
  },
  ls: {
    summary: 'list the services, or the instances of one',
    load: async () => (await import('./commands/ls.js')).command,
  },
  watch: {
    summary: 'follow the list of a service',
    load: async () => (await import('./commands/watch.js')).command,
  },
  resolve: {
    summary: 'pick one endpoint of a service',
    load: async () => (await import('./commands/resolve.js')).command,
  },
  explain: {
    summary: 'tell why a pick of a service goes where it goes',
    load: async () => (await import('./commands/explain.js')).command,
  },
  status: {
    summary: 'show what the sidecar knows of its services',
    load: async () => (await import('./commands/status.js')).command,
  },
  drain: {
    summary: 'take a service off the list and let it finish its work',
    load: async () => (await import('./commands/drain.js')).command,
  },
  undrain: {
    summary: 'list a drained service again',
    load: async () => (await import('./commands/undrain.js')).command,
  },
  maintenance: {
    summary: 'keep callers away from a service while somebody works on it',
    load: async () => (await import('./commands/maintenance.js')).command,
  },
  force: {
    summary: 'take a service for healthy or unhealthy, whatever its probes say',
    load: async () => (await import('./commands/force.js')).command,
  },
  weight: {
    summary: 'give a service another share of the traffic',
    load: async () => (await import('./commands/weight.js')).command,
  },
  reload: {
    summary: 'have the sidecar read its configuration again',
    load: async () => (await import('./commands/reload.js')).command,
  },
  heartbeat: {
    summary: 'tell the sidecar how a service with a ttl probe is',
    load: async () => (await import('./commands/heartbeat.js')).command,
  },
};

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

/** A line for each problem of bad input and for each of several errors; anything else is one line. */
function linesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(linesOf);
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
  const text = name === '--version' || name === '-v' ? `${version}\n` : await helpAskedBy(name, args);
  if (text === undefined) return (await load(name)).run(args, surroundings);
  stdout.write(text);
  return OK;
}

async function helpAskedBy(name: string, args: readonly string[]): Promise<string | undefined> {
  if (name === '--help' || name === '-h') return overview();
  if (name === 'help') return args[0] === undefined ? overview() : (await load(args[0])).help;
  const { own } = splitAtDashes(args);
  return own.includes('--help') || own.includes('-h') ? (await load(name)).help : undefined;
}

async function load(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const known = Object.keys(COMMANDS).join(', ');
  return entry?.load() ?? reject('the first argument', `one of: ${known}, help, --version`, describe(name));
}

function overview(): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`);
  return `pilotfish: service discovery for services that never heard of it

Usage: pilotfish <command> [options]

${commands.join('\n')}
  help        what a command does, with examples

  --version   the version of pilotfish

Exit codes: 0 done, 1 a negative answer or a failure, 2 bad input (nothing was registered).
`;
}
