/** What the commands that read a registry have in common: `--registry`, `--timeout`, `--json`. */

import type { RegistryReader, Snapshot } from '../registry/contract.js';
import { isName, NAME_RULE } from '../registry/instance.js';
import { open } from '../registry/open.js';
import { withDeadline } from '../runtime/abort.js';
import { systemClock } from '../runtime/clock.js';
import { parseDuration } from '../runtime/duration.js';
import { isPilotfishError, PilotfishError } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import { printable } from '../runtime/printable.js';
import type { Flags } from '../sidecar/config/overrides.js';
import type { FlagOptions } from './arguments.js';
import type { Environment } from './command.js';

export const JSON_FLAG = { json: { type: 'boolean' } } as const satisfies FlagOptions;
export const REGISTRY_FLAG = { registry: { type: 'string', multiple: true } } as const satisfies FlagOptions;
export const TIMEOUT_FLAG = { timeout: { type: 'string' } } as const satisfies FlagOptions;

export const REGISTRY_HELP = `  --registry URL  where to look (default $PILOTFISH_REGISTRY, or local:)`;

const DEFAULT_TIMEOUT = '5s';

/** Every registry named by the flags, or else by the environment, or else the embedded one. */
export function registryUrls(flags: Flags, env: Environment): readonly string[] {
  const given = [flags.registry].flat().filter((url) => typeof url === 'string');
  const fromEnv = (env.PILOTFISH_REGISTRY ?? '').split(/\s+/).filter((url) => url !== '');
  if (given.length > 0) return given;
  return fromEnv.length > 0 ? fromEnv : ['local:'];
}

/** For commands that show one registry as it is. */
export function oneRegistryUrl(flags: Flags, env: Environment): string {
  const urls = registryUrls(flags, env);
  return urls.length === 1 ? (urls[0] as string) : reject('--registry', 'one registry', `${urls.length}`);
}

/** Opens the registry for as long as `work` takes. */
export async function withRegistry<T>(
  url: string,
  work: (registry: RegistryReader) => Promise<T>,
): Promise<T> {
  const registry = await open(url);
  try {
    return await work(registry);
  } finally {
    await registry.close();
  }
}

export function timeoutMs(flags: Flags): number {
  const text = typeof flags.timeout === 'string' ? flags.timeout : DEFAULT_TIMEOUT;
  const ms = parseDuration(text);
  return ms ?? reject('--timeout', 'a duration such as "500ms" or "5s"', describe(text));
}

export function serviceName(text: string | undefined): string {
  return isName(text) ? text : reject('service', NAME_RULE, describe(text));
}

/** The list as it is now. Rejects when the registry does not answer. */
export async function readList(
  registry: RegistryReader,
  service: string,
  signal: AbortSignal,
): Promise<Snapshot> {
  for await (const snapshot of registry.watch(service, { signal })) return snapshot;
  signal.throwIfAborted();
  throw new PilotfishError('UNAVAILABLE', `${registry.url} ended the watch of ${service} without a list`);
}

/** How the connection to the registry stands, such as `connecting: connect ECONNREFUSED 127.0.0.1:2181`. */
export function standingOf({ state, trouble }: RegistryReader): string {
  return trouble === undefined ? state : `${state}: ${printable(trouble)}`;
}

/** `work` under the command's deadline; the message says what was waited for. */
export function inTime<T>(
  flags: Flags,
  what: string,
  stop: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withDeadline(systemClock, timeoutMs(flags), what, stop, work);
}

/** The same for work on a registry; the message says how the connection stood by then. */
export async function readInTime<T>(
  flags: Flags,
  registry: RegistryReader,
  stop: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await inTime(flags, `reading ${registry.url}`, stop, work);
  } catch (error) {
    if (!isPilotfishError(error, 'TIMEOUT') || registry.state === 'connected') throw error;
    throw new PilotfishError('TIMEOUT', `${error.message}, it is ${standingOf(registry)}`, { cause: error });
  }
}
