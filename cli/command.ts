/** What a subcommand is: a help page, and a function from its arguments to an exit code. */
import type { Output } from './output.js';

/** Done, and the answer is yes. */
export const OK = 0;
/** The answer is no, or something failed on the way. */
export const FAILED = 1;
/** The input can never work; nothing was started. */
export const BAD_INPUT = 2;

/** One of the above, or that of a command which `pilotfish sidecar` ran. */
export type ExitCode = number;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything outside of the program that a command may touch. */
export interface Surroundings {
  readonly env: Environment;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
}

export interface Command {
  /** The whole page, examples included, with a newline at the end. */
  readonly help: string;
  /** May throw: BAD_INPUT ends with code 2, anything else with 1, each with its message on stderr. */
  readonly run: (args: readonly string[], surroundings: Surroundings) => Promise<ExitCode>;
}

/** A command that is loaded when it is asked for: `ls` needs none of what `sidecar` is made of. */
export interface CommandEntry {
  /** One line for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}
