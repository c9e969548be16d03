/** What an `etcd://` URL says, checked: members, prefix, TTL, TLS and credentials. Everything wrong is told at once. */
import { formatDuration } from '../../runtime/duration.js';
import { describe, type Problem } from '../../runtime/expected.js';
import type { HostPort } from '../../runtime/host-port.js';
import type { TlsFiles } from '../../runtime/tls-files.js';
import { DEFAULT_FORMAT, type FormatName, formatProblem } from '../formats/index.js';
import { schemeRule } from '../formats/schemes.js';
import { isName, NAME_RULE } from '../instance.js';
import { describePart, durationParam, parseRegistryUrl, type RegistryUrl } from '../url.js';

const DEFAULT_PORT = 2379;
const DEFAULT_TTL_MS = 15_000;
/** Leases are counted in whole seconds; a member grants more than this when its elections take longer. */
const SHORTEST_TTL_MS = 1_000;
const LONGEST_TTL_MS = 86_400_000;

/** The formats of etcd, each with what its keys begin with where the URL names nothing. */
const ROOTS = {
  pilotfish: 'pilotfish/',
  'etcd-naming': '',
  'go-zero': '',
  kratos: '/microservices/',
  skydns: '/skydns/',
  auto: 'pilotfish/',
} as const satisfies Partial<Record<FormatName, string>>;

type EtcdFormat = keyof typeof ROOTS;

export const ETCD_FORMATS = Object.keys(ROOTS) as EtcdFormat[];

const PARAMS = {
  format: 'text',
  scheme: 'text',
  ttl: 'duration',
  tls: 'text',
  ca: 'text',
  cert: 'text',
  key: 'text',
  serverName: 'text',
  authFile: 'text',
  allowInsecureAuth: 'text',
} as const;

export interface EtcdSettings {
  readonly members: readonly HostPort[];
  /** Ends with a slash, so that no other tree begins alike; empty for all keys there are. */
  readonly prefix: string;
  /** Asked for; the granted one is what counts. */
  readonly ttlMs: number;
  readonly tls: TlsFiles | undefined;
  readonly authFile: string | undefined;
  readonly format: EtcdFormat;
  /** Of the endpoints of `kratos`. */
  readonly scheme: string | undefined;
}

/** Throws a BadInputError with everything that is wrong. Reads no file. */
export function parseEtcdUrl(text: string): EtcdSettings {
  const url = parseRegistryUrl(text, { defaultPort: DEFAULT_PORT, params: PARAMS, check: problemsOf });
  const { params, hosts } = url;
  const [ca, cert, key, serverName] = ['ca', 'cert', 'key', 'serverName'].map((name) => params.get(name));
  return {
    members: hosts,
    prefix: prefixOf(url),
    ttlMs: durationParam(url, 'ttl', DEFAULT_TTL_MS),
    tls: isOn(url, 'tls') ? { ca, cert, key, serverName } : undefined,
    authFile: params.get('authFile'),
    format: formatOf(url),
    scheme: params.get('scheme'),
  };
}

function* problemsOf(url: RegistryUrl): Generator<Problem> {
  const { params } = url;
  const given = (name: string): string => {
    const value = params.get(name);
    return value === undefined ? describe(value) : describePart(value, url.text);
  };
  const problem = (name: string, expected: string, got = given(name)): Problem => {
    return { path: `registry?${name}`, expected, got };
  };
  if (!namesIn(url).every(isName)) {
    const expected = `a path whose parts are each ${NAME_RULE}`;
    yield { path: 'registry', expected, got: describePart(url.path, url.text) };
  }
  const wrongFormat = formatProblem(params.get('format'), ETCD_FORMATS);
  if (wrongFormat !== undefined) yield wrongFormat;
  const wrongScheme = schemeRule(params.get('scheme'), params.get('format'));
  if (wrongScheme !== undefined) yield problem('scheme', wrongScheme);
  const ttlMs = durationParam(url, 'ttl', DEFAULT_TTL_MS);
  if (ttlMs < SHORTEST_TTL_MS || ttlMs > LONGEST_TTL_MS) {
    yield problem('ttl', `${formatDuration(SHORTEST_TTL_MS)} to ${formatDuration(LONGEST_TTL_MS)}`);
  }
  for (const name of ['tls', 'allowInsecureAuth']) {
    if (!['true', 'false'].includes(params.get(name) ?? 'true')) yield problem(name, 'true or false');
  }
  for (const name of ['ca', 'cert', 'key', 'serverName']) {
    if (params.has(name) && !isOn(url, 'tls')) yield problem(name, 'tls=true beside it');
  }
  if (params.has('cert') !== params.has('key')) yield problem('cert', 'cert and key together', 'one of them');
  if (params.has('authFile') && !isOn(url, 'tls') && !isOn(url, 'allowInsecureAuth')) {
    yield problem('authFile', 'tls=true, because the password is sent in clear, or allowInsecureAuth=true');
  }
}

function formatOf({ params }: RegistryUrl): EtcdFormat {
  return (params.get('format') ?? DEFAULT_FORMAT) as EtcdFormat;
}

/** Keys begin with a slash where those of the format do, and where the path begins with two. */
function prefixOf(url: RegistryUrl): string {
  const usual = ROOTS[formatOf(url)];
  if (url.path === '') return usual;
  const slash = url.path.startsWith('//') || usual?.startsWith('/') ? '/' : '';
  return `${slash}${namesIn(url).join('/')}/`;
}

function namesIn({ path }: RegistryUrl): readonly string[] {
  return path === '' ? [] : path.replace(/^\/\/?/, '').split('/');
}

function isOn({ params }: RegistryUrl, name: string): boolean {
  return params.get(name) === 'true';
}
