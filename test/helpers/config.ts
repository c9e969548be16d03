/** Loads a configuration from text, as the sidecar does from a file, with nothing of this machine in it. */
import { stringify } from 'yaml';
import { BadInputError } from '../../runtime/expected.js';
import { type LoadedConfig, loadConfig } from '../../sidecar/config/load.js';
import type { Environment, Flags } from '../../sidecar/config/overrides.js';

export interface GivenSources {
  readonly flags?: Flags;
  readonly env?: Environment;
  /** The text of the file, or what it says; left out for none. */
  readonly file?: string | object;
}

export function load({ flags = {}, env = {}, file }: GivenSources): Promise<LoadedConfig> {
  const text = typeof file === 'string' ? file : stringify(file);
  return loadConfig({
    flags: file === undefined ? flags : { config: 'sidecar.yaml', ...flags },
    env,
    hostname: 'web-1.internal',
    readFile: async () => text,
  });
}

/** The lines of the error that the sources lead to; none when they are right. */
export async function problemsOf(sources: GivenSources): Promise<readonly string[]> {
  try {
    await load(sources);
    return [];
  } catch (error) {
    if (error instanceof BadInputError) return error.message.split('\n');
    throw error;
  }
}
