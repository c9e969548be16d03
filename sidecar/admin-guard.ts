/**
 * Keeps web pages away from the admin server. A page can make a browser on this host send requests here,
 * under a name of its own that it points at 127.0.0.1 (DNS rebinding) or straight across origins (CSRF). The
 * first shows in `Host`, the second in `Origin` or `Sec-Fetch-Site`; programs send neither.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parseHostPort } from '../runtime/host-port.js';

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

/** The names by which a server may be asked; any name where other hosts know it by names of their own. */
export type AllowedNames = ReadonlySet<string> | 'any';

/** The loopback names and `others`. */
export function allowedNames(others: readonly string[]): AllowedNames {
  return new Set([...LOOPBACK_NAMES, ...others.map((name) => name.toLowerCase())]);
}

/** Why the request is refused; undefined when it is not. */
export function refusal(headers: IncomingHttpHeaders, names: AllowedNames): string | undefined {
  const host = parseHostPort((headers.host ?? '').toLowerCase(), 80)?.host;
  const isNamed = host !== undefined && (names === 'any' || names.has(host));
  if (!isNamed) return 'expected a Host header that names this server';
  if (headers.origin !== undefined) return 'expected no Origin header: web pages have no access';
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined || site === 'none' || site === 'same-origin';
  return isOwn ? undefined : 'expected no request from another site: web pages have no access';
}
