/**
 * Packages that are wanted in a version of their own, beside the project's: gotten by the ordinary npm client into the cache
 * folder, without running a script of theirs.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../servers/cache.js';
import { type Environment, run } from '../servers/environment.js';

const QUIET = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier'];
const ALONE = ['--ignore-scripts', '--no-save', '--no-package-lock'];

/** The folder of the package itself. What it depends on is not kept. */
export function npmPackage(name: string, version: string, env: Environment): Promise<string> {
  return cached(`npm-${name}-${version}`, env, async (work) => {
    process.stderr.write(`getting ${name} ${version} by npm …\n`);
    await writeFile(join(work, 'package.json'), '{ "private": true }');
    await npm(['install', ...QUIET, ...ALONE, `${name}@${version}`], work, env);
    return join(work, 'node_modules', name);
  });
}

/** By the npm that runs this, else by the one on PATH. */
async function npm(args: readonly string[], cwd: string, env: Environment): Promise<void> {
  const script = env.npm_execpath;
  const [file, first] = script === undefined ? ['npm', []] : [process.execPath, [script]];
  await run(file, [...first, ...args], { cwd, env: withoutNpm(env) });
}

/** npm hands its own state down to whatever runs in a script; what a person has set stays. */
export function withoutNpm(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(npm_(?!config_)|INIT_CWD$)/.test(name)),
  );
}
