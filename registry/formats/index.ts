/** The formats by name, each loaded when it is first asked for. A backend says which of them it has a use for. */
import { describe, type Problem } from '../../runtime/expected.js';
import type { Format, FormatOptions } from './format.js';

type Load = (options: FormatOptions) => Promise<Format>;

const FORMATS = {
  pilotfish: async () => (await import('./pilotfish.js')).pilotfish,
  'host-port': async (options) => (await import('./host-port.js')).hostPort(options),
  address: async (options) => (await import('./address.js')).address(options),
  nerve: async () => (await import('./nerve.js')).nerve,
  'nerve-path': async () => (await import('./nerve-path.js')).nervePath,
  serverset: async () => (await import('./serverset.js')).serverset,
  curator: async () => (await import('./curator.js')).curator,
  spring: async () => (await import('./spring.js')).spring,
  dubbo: async () => (await import('./dubbo.js')).dubbo,
  kafka: async () => (await import('./kafka.js')).kafka,
  'etcd-naming': async () => (await import('./etcd-naming.js')).etcdNaming,
  'go-zero': async () => (await import('./go-zero.js')).goZero,
  kratos: async (options) => (await import('./kratos.js')).kratos(options),
  skydns: async () => (await import('./skydns.js')).skydns,
  auto: async (options) => (await import('./auto.js')).auto(options),
} satisfies Readonly<Record<string, Load>>;

export type FormatName = keyof typeof FORMATS;

export const DEFAULT_FORMAT: FormatName = 'pilotfish';

/** What is wrong with the value of `?format=`, if anything; undefined stands for the default. */
export function formatProblem(
  value: string | undefined,
  known: readonly FormatName[],
  path = 'registry?format',
): Problem | undefined {
  if (value === undefined || (known as readonly string[]).includes(value)) return undefined;
  return { path, expected: `one of: ${known.join(', ')}`, got: describe(value) };
}

/** The format of a URL that was checked. */
export function loadFormat(name: FormatName, options: FormatOptions = {}): Promise<Format> {
  return (FORMATS[name] as Load)(options);
}
