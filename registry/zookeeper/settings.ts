/**
 * What a `zookeeper:` URL says: hosts, chroot, session timeout, driver, and how the session proves itself. Everything
 * that is wrong with it is reported at once, and secrets are in files.
 */
import { BadInputError, describe, type Problem } from '../../runtime/expected.js';
import type { HostPort } from '../../runtime/host-port.js';
import { readSecretFile } from '../../runtime/secret-file.js';
import type { FormatOptions } from '../formats/format.js';
import { DEFAULT_FORMAT, type FormatName, formatProblem } from '../formats/index.js';
import { schemeRule } from '../formats/schemes.js';
import { isName, NAME_RULE } from '../instance.js';
import { describePart, durationParam, parseRegistryUrl, type RegistryUrl } from '../url.js';
import type { ZkAcl, ZkSecurity } from './driver.js';

const DEFAULT_PORT = 2181;
const DEFAULT_SESSION_TIMEOUT_MS = 10_000;
/** A shorter session ends by an ordinary pause of either process. */
const SHORTEST_SESSION_TIMEOUT_MS = 1_000;
/** Servers grant far less; this only keeps nonsense off the wire. */
const LONGEST_SESSION_TIMEOUT_MS = 3_600_000;

const PARAMS = {
  sessionTimeout: 'duration',
  format: 'text',
  entryName: 'text',
  scheme: 'text',
  driver: 'text',
  tls: 'text',
  ca: 'text',
  cert: 'text',
  key: 'text',
  serverName: 'text',
  authFile: 'text',
  allowInsecureAuth: 'text',
  acl: 'text',
  sasl: 'text',
} as const;

/** The formats there is a use for in a tree, as docs/formats.md describes them. */
export const ZK_FORMATS: readonly FormatName[] = [
  'pilotfish',
  'host-port',
  'address',
  'nerve',
  'nerve-path',
  'serverset',
  'curator',
  'spring',
  'kratos',
  'dubbo',
  'kafka',
  'auto',
];
const ENTRY_NAMES = ['address', 'id'] as const;
/** Readers of these take any name. */
const FREELY_NAMED: readonly (string | undefined)[] = ['host-port', 'address'];
/** What says nothing of the session. */
const NOT_OF_SESSION = new Set(['format', 'entryName', 'scheme']);

const EVERYTHING: ZkAcl['permissions'] = ['read', 'write', 'create', 'delete', 'admin'];
const OPEN_ACL: readonly ZkAcl[] = [{ permissions: EVERYTHING, scheme: 'world', id: 'anyone' }];
/** Whoever created it may do everything, everybody may read: callers need no credentials. */
const CREATOR_ACL: readonly ZkAcl[] = [
  { permissions: EVERYTHING, scheme: 'auth', id: '' },
  { permissions: ['read'], scheme: 'world', id: 'anyone' },
];
const PRIVATE_ACL: readonly ZkAcl[] = [{ permissions: EVERYTHING, scheme: 'auth', id: '' }];
const ACLS: Readonly<Record<string, readonly ZkAcl[]>> = {
  open: OPEN_ACL,
  creator: CREATOR_ACL,
  private: PRIVATE_ACL,
};

export interface ZkSettings {
  readonly hosts: readonly HostPort[];
  /** Empty, or a path that starts with a slash. */
  readonly chroot: string;
  /** Asked for, in ms. */
  readonly timeoutMs: number;
  readonly driver: 'wire' | 'native';
  readonly security: ZkSecurity;
  /** Equal for URLs whose sessions may be one and the same. */
  readonly shareKey: string;
  readonly format: FormatName;
  readonly formatOptions: FormatOptions;
  /** True when everybody may change the nodes that are created. */
  readonly open: boolean;
  /** True when the password is sent in clear. */
  readonly insecure: boolean;
}

/** Throws a BadInputError with everything that is wrong. Reads no file. */
export function parseZkUrl(text: string): ZkSettings {
  const url = parseRegistryUrl(text, { defaultPort: DEFAULT_PORT, params: PARAMS, check: problemsOf });
  const { params, hosts, path } = url;
  const authFile = params.get('authFile');
  const acl = params.get('acl') ?? (authFile === undefined ? 'open' : 'creator');
  return {
    hosts,
    chroot: path,
    timeoutMs: durationParam(url, 'sessionTimeout', DEFAULT_SESSION_TIMEOUT_MS),
    driver: params.get('driver') === 'native' ? 'native' : 'wire',
    shareKey: [...params]
      .filter(([name]) => !NOT_OF_SESSION.has(name))
      .sort()
      .join('&'),
    format: (params.get('format') ?? DEFAULT_FORMAT) as FormatName,
    formatOptions: {
      entryName: params.get('entryName') as FormatOptions['entryName'],
      scheme: params.get('scheme'),
      known: ZK_FORMATS,
    },
    open: acl === 'open',
    insecure: authFile !== undefined && !isOn(url, 'tls'),
    security: {
      tls: isOn(url, 'tls')
        ? {
            ca: params.get('ca'),
            cert: params.get('cert'),
            key: params.get('key'),
            serverName: params.get('serverName'),
          }
        : undefined,
      digest: authFile === undefined ? undefined : () => readDigest(authFile),
      acl: ACLS[acl] as readonly ZkAcl[],
    },
  };
}

/** Read for each connection, so that a rotated secret is used by the next one. */
async function readDigest(file: string): Promise<string> {
  const path = 'registry?authFile';
  const secret = await readSecretFile(file, path);
  if (/^[^:\s]+:\S+$/.test(secret)) return secret;
  throw new BadInputError([
    { path, expected: 'user:password on one line', got: `something else in ${file}` },
  ]);
}

function* problemsOf(url: RegistryUrl): Generator<Problem> {
  const { params } = url;
  const show = (part: string | undefined): string =>
    part === undefined ? describe(part) : describePart(part, url.text);
  const problem = (name: string, expected: string, got = show(params.get(name))): Problem => {
    return { path: name === '' ? 'registry' : `registry?${name}`, expected, got };
  };
  if (!url.path.split('/').slice(1).every(isName)) {
    yield problem('', `a path whose parts are each ${NAME_RULE}`, show(url.path));
  }
  const timeoutMs = durationParam(url, 'sessionTimeout', DEFAULT_SESSION_TIMEOUT_MS);
  if (timeoutMs < SHORTEST_SESSION_TIMEOUT_MS || timeoutMs > LONGEST_SESSION_TIMEOUT_MS) {
    yield problem('sessionTimeout', '1s to 1h');
  }
  if (!isOneOf(params.get('driver'), ['wire', 'native'])) yield problem('driver', '"wire" or "native"');
  const wrongFormat = formatProblem(params.get('format'), ZK_FORMATS);
  if (wrongFormat !== undefined) yield { ...wrongFormat, got: show(params.get('format')) };
  if (!isOneOf(params.get('entryName'), ENTRY_NAMES)) yield problem('entryName', 'address or id');
  if (params.has('entryName') && !FREELY_NAMED.includes(params.get('format'))) {
    yield problem('entryName', `${FREELY_NAMED.join(' or ')} as the format beside it`);
  }
  const wrongScheme = schemeRule(params.get('scheme'), params.get('format'));
  if (wrongScheme !== undefined) yield problem('scheme', wrongScheme);
  if (!isOneOf(params.get('acl'), Object.keys(ACLS))) yield problem('acl', 'open, creator or private');
  for (const name of ['tls', 'allowInsecureAuth']) {
    if (!isOneOf(params.get(name), ['true', 'false'])) yield problem(name, 'true or false');
  }
  if (params.has('sasl')) {
    yield problem('sasl', 'authFile (digest) or a TLS client certificate, because SASL is not implemented');
  }
  for (const name of ['ca', 'cert', 'key', 'serverName']) {
    if (params.has(name) && !isOn(url, 'tls')) yield problem(name, 'tls=true beside it');
  }
  if (params.has('cert') !== params.has('key')) yield problem('cert', 'cert and key together', 'one of them');
  if (params.has('authFile') && !isOn(url, 'tls') && !isOn(url, 'allowInsecureAuth')) {
    yield problem(
      'authFile',
      'tls=true, because digest sends the password in clear, or allowInsecureAuth=true',
    );
  }
  if (
    isOneOf(params.get('acl') ?? 'none', ['creator', 'private']) &&
    !params.has('authFile') &&
    !params.has('cert')
  ) {
    yield problem('acl', 'open where there are no credentials');
  }
  if (
    params.get('driver') === 'native' &&
    (isOn(url, 'tls') || params.has('authFile') || params.has('acl'))
  ) {
    yield problem('driver', 'wire for TLS, credentials and ACLs');
  }
}

function isOn({ params }: RegistryUrl, name: string): boolean {
  return params.get(name) === 'true';
}

function isOneOf(value: string | undefined, allowed: readonly string[]): boolean {
  return value === undefined || allowed.includes(value);
}
