/**
 * Bad input is reported in one form, *expected X, got Y, at path*, all of it at once. Validators collect `Problem`s;
 * whoever validates whole input throws them as one `BadInputError`.
 */
import { PilotfishError } from './errors.js';
import { printable } from './printable.js';

export interface Problem {
  /** Where, as a reader would write it: `services[0].probes[1].timeout`. */
  readonly path: string;
  /** What would have been right: `a duration such as "500ms" or "5s"`. */
  readonly expected: string;
  /** What was there, already made printable; see `describe`. */
  readonly got: string;
}

export class BadInputError extends PilotfishError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('BAD_INPUT', problems.map(formatProblem).join('\n'));
    this.name = 'BadInputError';
    this.problems = problems;
  }
}

export function formatProblem({ path, expected, got }: Problem): string {
  return `expected ${expected}, got ${got}, at ${path}`;
}

/** Throws one `BadInputError` for a single problem. */
export function reject(path: string, expected: string, got: string): never {
  throw new BadInputError([{ path, expected, got }]);
}

/** A value as an error message may show it: one short printable line, with its type where that says more. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return `"${printable(value, 80)}"`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${value}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
