/**
 * The short text form of a probe, for flags, environment and short files: `tcp`, `tcp:8081`, `http:/health`,
 * `https:/health`, `ttl:10s`. It means the object it expands to and nothing more.
 */
import { isPort } from '../../runtime/host-port.js';

export const PROBE_TEXT_RULE = '"tcp", "tcp:8081", "http:/path", "https:/path" or "ttl:10s"';

/** The probe as the long form would write it. The values in it are checked by the schema of the long form. */
export interface ProbeObject {
  readonly type: 'tcp' | 'http' | 'ttl';
  readonly [field: string]: unknown;
}

/** Undefined when the text has none of the short forms. */
export function expandProbeText(text: string): ProbeObject | undefined {
  const [scheme = '', rest] = split(text);
  if (scheme === 'tcp' && rest === undefined) return { type: 'tcp' };
  if (scheme === 'tcp' && isPort(Number(rest))) return { type: 'tcp', port: Number(rest) };
  if (scheme === 'http' && rest?.startsWith('/')) return { type: 'http', path: rest };
  if (scheme === 'https' && rest?.startsWith('/')) return { type: 'http', path: rest, tls: true };
  if (scheme === 'ttl' && rest !== undefined) return { type: 'ttl', ttl: rest };
  return undefined;
}

function split(text: string): [string, string | undefined] {
  const at = text.indexOf(':');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
