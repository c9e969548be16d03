/** What a `consul://` URL says, checked: defaults, the limits of Consul itself, and everything wrong at once. */
import { formatDuration } from '../../runtime/duration.js';
import { BadInputError, describe, type Problem } from '../../runtime/expected.js';
import type { HostPort } from '../../runtime/host-port.js';
import type { TlsFiles } from '../../runtime/tls-files.js';
import { durationParam, parseRegistryUrl, type RegistryUrl, type UrlRules } from '../url.js';

/** The addresses that Consul knows beside the own one of a service or a node. */
export const ADDRESS_TAGS = ['lan', 'lan_ipv4', 'lan_ipv6', 'wan', 'wan_ipv4', 'wan_ipv6'] as const;
export type AddressTag = (typeof ADDRESS_TAGS)[number];

export interface ConsulSettings {
  /** The agent. One only: a service belongs to the agent that it was registered with. */
  readonly agent: HostPort;
  /** The datacenter to read from; undefined means the agent's own. Registrations always go to the agent's own. */
  readonly dc: string | undefined;
  /** How long an entry stays healthy after the last accepted heartbeat. */
  readonly ttlMs: number;
  /** How long a blocking query may wait for news. */
  readonly waitMs: number;
  /** How long Consul keeps a critical entry before it deletes it. */
  readonly deregisterAfterMs: number;
  readonly tokenFile: string | undefined;
  /** Which of an entry's tagged addresses to use where it has one; undefined for its own address. */
  readonly address: AddressTag | undefined;
  /** Undefined for plain HTTP. */
  readonly tls: TlsFiles | undefined;
}

const RULES: UrlRules = {
  defaultPort: 8500,
  params: {
    dc: 'text',
    ttl: 'duration',
    wait: 'duration',
    deregisterAfter: 'duration',
    tokenFile: 'text',
    address: 'text',
    tls: 'text',
    ca: 'text',
    cert: 'text',
    key: 'text',
    serverName: 'text',
  },
};

/** The limits of each duration: Consul accepts others and silently does something else. */
const DURATIONS = {
  ttl: { defaultMs: 15_000, leastMs: 1000, mostMs: 86_400_000 },
  wait: { defaultMs: 55_000, leastMs: 100, mostMs: 600_000 },
  deregisterAfter: { defaultMs: 300_000, leastMs: 60_000, mostMs: 30 * 86_400_000 },
} as const;

type DurationName = keyof typeof DURATIONS;

/** Throws a `BadInputError` with everything that is wrong. */
export function parseConsulUrl(text: string): ConsulSettings {
  const url = parseRegistryUrl(text, RULES);
  const problems = problemsOf(url);
  const [agent] = url.hosts;
  if (problems.length > 0 || agent === undefined) throw new BadInputError(problems);
  return {
    agent,
    dc: url.params.get('dc'),
    ttlMs: durationOf(url, 'ttl'),
    waitMs: durationOf(url, 'wait'),
    deregisterAfterMs: durationOf(url, 'deregisterAfter'),
    tokenFile: url.params.get('tokenFile'),
    address: url.params.get('address') as AddressTag | undefined,
    tls: tlsOf(url),
  };
}

function tlsOf({ params }: RegistryUrl): TlsFiles | undefined {
  if (params.get('tls') !== 'true') return undefined;
  return {
    ca: params.get('ca'),
    cert: params.get('cert'),
    key: params.get('key'),
    serverName: params.get('serverName'),
  };
}

function problemsOf(url: RegistryUrl): Problem[] {
  const problems: Problem[] = [];
  const expect = (right: boolean, path: string, expected: string, got: string): void => {
    if (!right) problems.push({ path, expected, got });
  };
  const { hosts, path, params } = url;
  expect(hosts.length === 1, 'registry', 'exactly one Consul agent', `${hosts.length} hosts`);
  expect(path === '', 'registry', 'no path after the host', describe(path));
  const dc = params.get('dc');
  expect(/^[\w-]{1,64}$/.test(dc ?? 'dc1'), 'registry?dc', 'the name of a datacenter', describe(dc));
  expect(params.get('tokenFile') !== '', 'registry?tokenFile', 'the path of a file', '""');
  const address = params.get('address');
  const isTag = (ADDRESS_TAGS as readonly unknown[]).includes(address ?? 'lan');
  expect(isTag, 'registry?address', `one of: ${ADDRESS_TAGS.join(', ')}`, describe(address));
  const tls = params.get('tls');
  expect(['true', 'false', undefined].includes(tls), 'registry?tls', 'true or false', describe(tls));
  for (const name of ['ca', 'cert', 'key', 'serverName']) {
    const alone = params.has(name) && tls !== 'true';
    expect(!alone, `registry?${name}`, 'tls=true beside it', describe(params.get(name)));
  }
  expect(params.has('cert') === params.has('key'), 'registry?cert', 'cert and key together', 'one of them');
  for (const name of Object.keys(DURATIONS) as DurationName[]) {
    const { leastMs, mostMs } = DURATIONS[name];
    const ms = durationOf(url, name);
    const limits = `${formatDuration(leastMs)} to ${formatDuration(mostMs)}`;
    expect(ms >= leastMs && ms <= mostMs, `registry?${name}`, limits, formatDuration(ms));
  }
  return problems;
}

function durationOf(url: RegistryUrl, name: DurationName): number {
  return durationParam(url, name, DURATIONS[name].defaultMs);
}
