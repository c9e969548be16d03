/**
 * Arguments by `parseArgs` of node:util, which finds them but stops at its first complaint in words of its own. Here
 * every mistake is collected and said in our one form.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { BadInputError, describe, type Problem } from '../runtime/expected.js';
import type { Flags } from '../sidecar/config/overrides.js';

export type FlagOptions = NonNullable<ParseArgsConfig['options']>;

export interface Arguments {
  readonly flags: Flags;
  readonly positionals: readonly string[];
}

/**
 * @param options as of `parseArgs`.
 * @param names what each positional argument is called, the optional ones in brackets: `service`, `[status]`.
 */
export function parseArguments(
  args: readonly string[],
  options: FlagOptions,
  names: readonly string[] = [],
): Arguments {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
  });
  const wrongFlags = tokens.flatMap((token) =>
    token.kind === 'option' ? (flagProblem(token, options) ?? []) : [],
  );
  const problems = [...wrongFlags, ...positionalProblems(positionals, names)];
  if (problems.length > 0) throw new BadInputError(problems);
  return { flags: values, positionals };
}

export interface SplitArguments {
  readonly own: readonly string[];
  /** Everything after the first `--`, untouched; undefined without one. */
  readonly command: readonly string[] | undefined;
}

/** For a command that runs another: `--port 80 -- node server.js --port 80`. */
export function splitAtDashes(args: readonly string[]): SplitArguments {
  const at = args.indexOf('--');
  return at === -1
    ? { own: args, command: undefined }
    : { own: args.slice(0, at), command: args.slice(at + 1) };
}

interface FlagToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function flagProblem(
  { name, rawName, value, inlineValue }: FlagToken,
  options: FlagOptions,
): Problem | undefined {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const known = Object.keys(options).map((each) => `--${each}`);
    return { path: rawName, expected: `one of: ${known.join(', ')}`, got: describe(rawName) };
  }
  if (option.type === 'boolean') {
    return value === undefined ? undefined : { path: rawName, expected: 'no value', got: describe(value) };
  }
  const isMissing = value === undefined || value === '' || (inlineValue === false && value.startsWith('--'));
  return isMissing ? { path: rawName, expected: 'a value', got: describe(value || undefined) } : undefined;
}

function positionalProblems(given: readonly string[], names: readonly string[]): readonly Problem[] {
  const missing = names
    .slice(given.length)
    .filter((name) => !name.startsWith('['))
    .map((name) => ({ path: name, expected: `a ${name}`, got: 'nothing' }));
  const extra = given.slice(names.length).map((text, index) => ({
    path: `argument ${names.length + index + 1}`,
    expected: 'no such argument',
    got: describe(text),
  }));
  return [...missing, ...extra];
}
