/**
 * Flags and environment as one layer over the file. Both are read by the same table, a flag replaces the variable of
 * the same name, and each value remembers where it came from, so that a problem says `--interval` and not a path in
 * a file that nobody wrote.
 */
import { describe, type Problem } from '../../runtime/expected.js';
import { formatPath, formatStep, type Path } from './problems.js';
import { withoutServiceLinks } from './service-links.js';
import { CONFIG_ENV, SETTINGS, type Setting, settingValue, splitEnv } from './settings.js';

/** As `parseArgs` of node:util returns them; a flag that may repeat is a list. */
export type Flags = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Override {
  readonly setting: Setting;
  readonly value: unknown;
  /** `--interval` or `PILOTFISH_INTERVAL`. */
  readonly origin: string;
}

/** The file's content with the overrides in place. */
export interface Layered {
  readonly input: unknown;
  /** What a reader would call the place: the flag or variable that a value came from, else its path. */
  readonly label: (path: Path) => string;
}

/** Every setting that is given outside of the file. An empty variable counts as not set. */
export function readOverrides(
  flags: Flags,
  environment: Environment,
  problems: Problem[],
): readonly Override[] {
  const env = withoutServiceLinks(environment);
  problems.push(...unknownVariables(env));
  return SETTINGS.flatMap((setting) => {
    const given = fromFlag(setting, flags) ?? fromEnv(setting, env);
    if (given === undefined) return [];
    const value = settingValue(setting, given.texts, given.origin, problems);
    return [{ setting, value, origin: given.origin }];
  });
}

interface Given {
  readonly texts: readonly string[];
  readonly origin: string;
}

function fromFlag(setting: Setting, flags: Flags): Given | undefined {
  const value = flags[setting.flag];
  const texts = [value].flat().filter((text) => typeof text === 'string');
  return texts.length === 0 ? undefined : { texts, origin: `--${setting.flag}` };
}

function fromEnv(setting: Setting, env: Environment): Given | undefined {
  const text = env[setting.env] ?? '';
  return text === '' ? undefined : { texts: splitEnv(setting, text), origin: setting.env };
}

/** A misspelt variable would otherwise be a setting that silently does nothing. */
function unknownVariables(env: Environment): readonly Problem[] {
  const known = [CONFIG_ENV, ...SETTINGS.map((setting) => setting.env)];
  return Object.keys(env)
    .filter((name) => name.startsWith('PILOTFISH_') && !name.startsWith('PILOTFISH_TEST_'))
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: name, expected: `one of: ${known.join(', ')}`, got: describe(name) }));
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Lays the overrides over the file. Those of a service go to the one that `--service` names, or else to the only one
 * there is; where the file has no such service, they make one. `--address` beside several services is for them all.
 */
export function layer(file: unknown, overrides: readonly Override[], problems: Problem[]): Layered {
  const fields = file ?? {};
  if (!isFields(fields) || !Array.isArray(fields.services ?? [])) return { input: file, label: formatPath };
  const services = (fields.services ?? []) as readonly unknown[];
  const index = addressedService(services, overrides, file !== undefined);
  const lost = index === undefined ? overrides.filter(isOfService) : [];
  problems.push(...lost.map(unaddressed));
  const places = overrides
    .filter((override) => !lost.includes(override))
    .map((override) => ({ override, path: placeOf(override.setting, index) }));
  const base = index === services.length ? put(fields, ['services', index], {}) : fields;
  const input = places.reduce((whole, { override, path }) => put(whole, path, override.value), base);
  const origins = new Map(places.map(({ override, path }) => [formatPath(path), override.origin]));
  const missing = index === services.length ? flagsOfService(index) : [];
  return { input, label: labeller(new Map([...missing, ...origins])) };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The place in the list of services; its length for a new one; undefined when it cannot be told or none is meant. */
function addressedService(
  services: readonly unknown[],
  overrides: readonly Override[],
  hasFile: boolean,
): number | undefined {
  const name = overrides.find(({ setting }) => setting.key === 'name')?.value;
  if (name === undefined) {
    const isMeant = !hasFile || services.length === 1 || overrides.some(isOfService);
    return services.length <= 1 && isMeant ? 0 : undefined;
  }
  const found = services.findIndex((service) => isFields(service) && service.name === name);
  return found === -1 ? services.length : found;
}

function isOfService({ setting }: Override): boolean {
  return setting.scope === 'service' && setting.key !== 'address';
}

function unaddressed({ origin }: Override): Problem {
  return { path: origin, expected: '--service beside it, as the file has several services', got: 'none' };
}

function placeOf({ scope, key }: Setting, index: number | undefined): Path {
  return scope === 'service' && index !== undefined ? ['services', index, key] : [key];
}

/** A copy of `target` with `value` at `path`; missing objects and lists on the way are made. */
function put(target: unknown, [step, ...rest]: Path, value: unknown): unknown {
  if (step === undefined) return value;
  const inner = put((target as Fields | undefined)?.[step as string], rest, value);
  if (typeof step !== 'number') return { ...(isFields(target) ? target : {}), [step]: inner };
  const items = Array.isArray(target) ? [...target] : [];
  items[step] = inner;
  return items;
}

/** What is missing in a service that flags make is best called by its flag. */
function flagsOfService(index: number): readonly (readonly [string, string])[] {
  return SETTINGS.filter(({ scope }) => scope === 'service').map((setting) => [
    formatPath(placeOf(setting, index)),
    `--${setting.flag}`,
  ]);
}

function labeller(origins: ReadonlyMap<string, string>): (path: Path) => string {
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const origin = origins.get(formatPath(path.slice(0, length)));
      if (origin !== undefined) return `${origin}${path.slice(length).map(formatStep).join('')}`;
    }
    return formatPath(path);
  };
}
