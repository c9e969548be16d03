/** What the command line says about supervising: the command after `--`, and how it is restarted and stopped. */
import { parseDuration } from '../../runtime/duration.js';
import { BadInputError, describe, type Problem } from '../../runtime/expected.js';
import type { Flags } from '../config/overrides.js';
import type { CommandLine } from './child.js';
import { RESTART_POLICIES, type RestartPolicy } from './restart.js';

export interface SuperviseSettings {
  readonly command: CommandLine;
  readonly restart: RestartPolicy;
  readonly stopTimeoutMs: number;
}

const DEFAULT_STOP_TIMEOUT = '10s';

/**
 * Undefined without a command: nothing is supervised then. Throws BAD_INPUT with everything that is wrong.
 *
 * @param command what follows `--`; undefined where there is no `--`.
 */
export function superviseSettings(
  flags: Flags,
  command: readonly string[] | undefined,
): SuperviseSettings | undefined {
  const { restart = 'never', 'stop-timeout': stopTimeout = DEFAULT_STOP_TIMEOUT } = flags;
  const stopTimeoutMs = parseDuration(String(stopTimeout));
  const problems = command === undefined ? flagsInVain(flags) : commandProblems(command);
  if (!isPolicy(restart))
    problems.push(problem('restart', `one of: ${RESTART_POLICIES.join(', ')}`, restart));
  if (stopTimeoutMs === undefined)
    problems.push(problem('stop-timeout', 'a duration such as "500ms" or "10s"', stopTimeout));
  if (problems.length > 0) throw new BadInputError(problems);
  if (command === undefined) return undefined;
  const [program, ...args] = command as CommandLine;
  return {
    command: [program, ...args],
    restart: restart as RestartPolicy,
    stopTimeoutMs: stopTimeoutMs as number,
  };
}

function flagsInVain(flags: Flags): Problem[] {
  return ['restart', 'stop-timeout']
    .filter((name) => flags[name] !== undefined)
    .map((name) => ({ path: `--${name}`, expected: 'a command after --', got: 'none' }));
}

function commandProblems([program]: readonly string[]): Problem[] {
  const isProgram = program !== undefined && program !== '';
  return isProgram ? [] : [{ path: '--', expected: 'a command after it', got: describe(program) }];
}

function problem(flag: string, expected: string, value: unknown): Problem {
  return { path: `--${flag}`, expected, got: describe(value) };
}

function isPolicy(value: unknown): value is RestartPolicy {
  return RESTART_POLICIES.some((policy) => policy === value);
}
