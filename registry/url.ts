/**
 * Registry URLs: `scheme://host:port,host:port/path?name=value`. `URL` cannot hold several hosts, so they are read
 * here, and every mistake is reported at once. A URL never carries a secret; it is safe to log.
 */
import { parseDuration } from '../runtime/duration.js';
import { BadInputError, describe, type Problem } from '../runtime/expected.js';
import { type HostPort, parseHostPort } from '../runtime/host-port.js';
import { printable } from '../runtime/printable.js';

export interface RegistryUrl {
  readonly text: string;
  readonly scheme: string;
  /** As written, in order; empty for schemes without hosts. */
  readonly hosts: readonly HostPort[];
  /** For schemes with hosts it is empty or starts with a slash; otherwise whatever follows the colon. */
  readonly path: string;
  readonly params: ReadonlyMap<string, string>;
}

/** What a backend accepts in its URL. */
export interface UrlRules {
  /** The port of a host that names none; undefined for a scheme that has no hosts but a path. */
  readonly defaultPort?: number;
  /** The query parameters it knows, each with what its value must be. */
  readonly params: Readonly<Record<string, 'duration' | 'text'>>;
  /** What else may be wrong; asked even when something is already, so that all is told at once. */
  readonly check?: (url: RegistryUrl) => Iterable<Problem>;
}

/** The part before the first colon, or undefined. */
export function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+-]*):/.exec(text)?.[1];
}

/** A part of a URL for an error message; nothing of a URL that holds an @, as a password may be any of its parts. */
export function describePart(part: string, url: string): string {
  return url.includes('@') ? 'a text in a URL with an @' : describe(part);
}

/** Reads a URL by the backend's rules. Throws a `BadInputError` with everything that is wrong, at `path`. */
export function parseRegistryUrl(text: string, rules: UrlRules, path = 'registry'): RegistryUrl {
  const problems: Problem[] = [];
  const [beforeQuery = '', query = ''] = splitOnce(text, '?');
  const scheme = schemeOf(text) ?? '';
  const rest = beforeQuery.slice(scheme.length + 1);
  const [authority, urlPath] = rules.defaultPort === undefined ? ['', rest] : splitAuthority(rest);
  const show = (part: string): string => describePart(part, text);
  const hosts = readHosts(authority, rules.defaultPort, { path, problems, show });
  const params = readParams(query, rules, { path, problems, show });
  const url: RegistryUrl = { text, scheme, hosts, path: urlPath, params };
  problems.push(...(rules.check?.(url) ?? []));
  if (problems.length > 0) throw new BadInputError(problems);
  return url;
}

/** A duration parameter in milliseconds, or the default. Parsed and checked by `parseRegistryUrl` before. */
export function durationParam(url: RegistryUrl, name: string, defaultMs: number): number {
  const value = url.params.get(name);
  return value === undefined ? defaultMs : (parseDuration(value) as number);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function splitAuthority(rest: string): [string, string] {
  const [authority, path] = splitOnce(rest.replace(/^\/\//, ''), '/');
  return [authority, path === undefined ? '' : `/${path.replace(/\/+$/, '')}`.replace(/^\/$/, '')];
}

interface Report {
  readonly path: string;
  readonly problems: Problem[];
  /** A part of the URL as a message may show it. */
  readonly show: (part: string) => string;
}

function readHosts(
  authority: string,
  defaultPort: number | undefined,
  { path, problems, show }: Report,
): HostPort[] {
  if (defaultPort === undefined) return [];
  if (authority.includes('@')) {
    // The secret itself must not reach the message.
    problems.push({ path, expected: 'no user or password in the URL', got: 'one before the @' });
    return [];
  }
  const hosts: HostPort[] = [];
  for (const part of authority.split(',')) {
    const host = parseHostPort(part, defaultPort);
    if (host !== undefined && host.port > 0) hosts.push(host);
    else problems.push({ path, expected: 'host:port', got: show(part) });
  }
  return hosts;
}

function readParams(query: string, rules: UrlRules, { path, problems, show }: Report): Map<string, string> {
  const params = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const kind = Object.hasOwn(rules.params, name) ? rules.params[name] : undefined;
    const known = Object.keys(rules.params).join(', ') || 'none';
    if (kind === undefined) {
      const place = name.includes('@') ? path : `${path}?${printable(name, 40)}`;
      problems.push({ path: place, expected: `one of: ${known}`, got: show(name) });
    } else if (kind === 'duration' && parseDuration(value) === undefined) {
      const expected = 'a duration such as "500ms" or "10s"';
      problems.push({ path: `${path}?${name}`, expected, got: show(value) });
    } else params.set(name, value);
  }
  return params;
}
