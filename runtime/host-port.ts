/** Network addresses in text: the one place that knows IPv6 brackets, host name rules and port numbers. */
import { isIP } from 'node:net';

export interface HostPort {
  /** An IP literal without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.1:80`, `[::1]:80`, `web.internal:80`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads what `formatHostPort` writes; a missing port becomes `defaultPort`. Undefined when the text is no address. */
export function parseHostPort(text: string, defaultPort?: number): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  const hostIsRight = isHost(host) && (match[1] === undefined || isIP(host) === 6);
  return hostIsRight && port !== undefined && isPort(port, 0) ? { host, port } : undefined;
}

/** A whole number from `lowest` (1 unless said otherwise; 0 means "any free port") to 65535. */
export function isPort(value: unknown, lowest = 1): value is number {
  return Number.isInteger(value) && (value as number) >= lowest && (value as number) <= 65_535;
}

/** An IP literal without zone, or a host name. */
export function isHost(text: string): boolean {
  return (isIP(text) !== 0 && !text.includes('%')) || isHostName(text);
}

/**
 * RFC 1123 labels, at most 253 characters, and a last label that no resolver could read as a number: forms such as
 * `127.1`, `0x7f.1` and `2130706433` name an IPv4 address to some programs and a host to others.
 */
export function isHostName(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  const labels = text.replace(/\.$/, '').split('.');
  const last = labels.at(-1) as string;
  if (/^(\d+|0x[0-9a-f]*)$/i.test(last)) return false;
  return labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}
