/**
 * The configuration from all its sources: flags over environment over file over defaults. Pure apart from the one file
 * it reads, which is an argument; everything that is wrong is said at once.
 */
import { checkUrl } from '../../registry/open.js';
import { messageOf } from '../../runtime/errors.js';
import { BadInputError, type Problem } from '../../runtime/expected.js';
import { defaultStateDir } from '../operator/state-dir.js';
import type { SidecarConfig } from './config.js';
import { contradictionsIn, warningsFor } from './consistency.js';
import { normalize } from './normalize.js';
import { type Environment, type Flags, layer, readOverrides } from './overrides.js';
import { problemsOf } from './problems.js';
import { fileSchema } from './schema.js';
import { CONFIG_ENV } from './settings.js';

export interface ConfigSources {
  /** As `parseArgs` returns them; `config` is the file's path. */
  readonly flags: Flags;
  readonly env: Environment;
  /** Resolves with the text of the file; rejects when it cannot be read. */
  readonly readFile: (path: string) => Promise<string>;
  /** The machine's name, for the default ids. */
  readonly hostname: string;
}

/** A configuration file, as it was read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface LoadedConfig {
  readonly config: SidecarConfig;
  /** The one it is from; undefined when there was none. */
  readonly file: ConfigFile | undefined;
  /** What works but is most likely not meant, one sentence each. */
  readonly warnings: readonly string[];
}

/** Throws one `BadInputError` with everything that is wrong in file, environment and flags together. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const problems: Problem[] = [];
  const overrides = readOverrides(sources.flags, sources.env, problems);
  const file = await readConfigFile(sources, problems);
  if (file.status === 'unreadable') throw new BadInputError(problems);
  const { input, label } = layer(file.content, overrides, problems);
  const parsed = fileSchema.safeParse(input);
  if (!parsed.success)
    throw new BadInputError([...problems, ...problemsOf(parsed.error.issues, input, label)]);
  const config = normalize(parsed.data, {
    hostname: sources.hostname,
    stateDir: defaultStateDir(sources.env),
  });
  problems.push(...contradictionsIn(config, label), ...(await problemsInUrls(config.registries)));
  if (problems.length > 0) throw new BadInputError(problems);
  return { config, file: file.file, warnings: warningsFor(config) };
}

type ReadFile =
  | { readonly status: 'read'; readonly file: ConfigFile | undefined; readonly content: unknown }
  | { readonly status: 'unreadable' };

/** `file` and `content` are undefined when no file was asked for. */
async function readConfigFile(
  { flags, env, readFile }: ConfigSources,
  problems: Problem[],
): Promise<ReadFile> {
  const path = typeof flags.config === 'string' ? flags.config : env[CONFIG_ENV] || undefined;
  if (path === undefined) return { status: 'read', file: undefined, content: undefined };
  try {
    // Loaded for those who have a file: the parser is a good part of a start.
    const { parseConfigText } = await import('./file.js');
    const text = await readFile(path);
    const content = parseConfigText(text, path, problems);
    return content === undefined
      ? { status: 'unreadable' }
      : { status: 'read', file: { path, text }, content };
  } catch (error) {
    problems.push({ path, expected: 'a file that can be read', got: messageOf(error) });
    return { status: 'unreadable' };
  }
}

/** What each backend says of its URL, as `registry?ttl`, or `registry[1]?ttl` where there are several. */
async function problemsInUrls(urls: readonly string[]): Promise<readonly Problem[]> {
  const checks = await Promise.allSettled(urls.map((url) => checkUrl(url)));
  return checks.flatMap((check, i) => {
    if (check.status === 'fulfilled') return [];
    if (!(check.reason instanceof BadInputError)) throw check.reason;
    const at = urls.length > 1 ? `registry[${i}]` : 'registry';
    return check.reason.problems.map((problem) => ({
      ...problem,
      path: problem.path.replace(/^registry/, at),
    }));
  });
}
