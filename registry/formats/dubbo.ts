/**
 * Dubbo 2: each provider of an interface is a URL, encoded into the name of its node. Read only, because a provider is
 * more than an address: consumers take serialization and methods from it.
 */
import { describe } from '../../runtime/expected.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Format } from './format.js';
import { instanceFrom } from './reading.js';
import { metadataOf, weightIn } from './text-map.js';

const MAX_NAME_LENGTH = 16_384;
/** What a provider weighs that says nothing: others say 200 for twice as much. */
const DEFAULT_WEIGHT = 100;

export const dubbo: Format = {
  name: 'dubbo',
  folder: (service) => `${service}/providers`,
  needsData: false,
  nameIsId: false,
  isSequential: false,
  decode({ name }, service) {
    const url = readUrl(name);
    if (!url.ok) return url;
    const { hostname, port, protocol, searchParams } = url.value;
    const { weight, version, ...others } = Object.fromEntries(searchParams);
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    return instanceFrom({
      service,
      id: idOf(host, port, { protocol: protocol.slice(0, -1), version, group: others.group }),
      host,
      port: Number(port),
      weight: weightIn(weight) ?? DEFAULT_WEIGHT,
      version: version?.slice(0, 1024),
      metadata: metadataOf({ protocol: protocol.slice(0, -1), ...others }),
      ...(isOff(others) && { status: 'maintenance', note: 'disabled by its parameters' }),
    });
  },
};

type Provider = Pick<URL, 'hostname' | 'port' | 'protocol' | 'searchParams'>;

function readUrl(name: string): Result<Provider, string> {
  if (name.length > MAX_NAME_LENGTH) {
    return rejected(`expected at most ${MAX_NAME_LENGTH} characters, got ${name.length}, at name`);
  }
  try {
    const text = decodeURIComponent(name);
    // Under its own scheme a port that is the usual one is not there.
    const { port } = new URL(text.replace(/^[^:]+/, 'dubbo'));
    const { hostname, protocol, searchParams } = new URL(text);
    if (port !== '') return valid({ hostname, port, protocol, searchParams });
  } catch {}
  return rejected(`expected an encoded URL with a port, got ${describe(name)}, at name`);
}

/** One process may provide an interface in several versions and groups: each is an instance of its own. */
function idOf(host: string, port: string, parts: Readonly<Record<string, string | undefined>>): string {
  const { protocol = '', ...others } = parts;
  const named = Object.entries(others).filter(([, value]) => value !== undefined);
  const id = [`${protocol}:${host}:${port}`, ...named.map(([name, value]) => `${name}=${value}`)].join(',');
  return id.replace(/[^A-Za-z0-9._~:@+=,-]/g, '_');
}

function isOff({ disabled, enabled }: Readonly<Record<string, string>>): boolean {
  return disabled === 'true' || enabled === 'false';
}
