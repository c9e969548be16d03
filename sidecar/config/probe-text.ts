/**
 * The short text form of a probe, for flags, environment and short files: `tcp`, `tcp:8081`, `http:/health`,
 * `https:/health`, `grpc:/orders.v1.Orders`, `ttl:10s`. It means the object it expands to and nothing more.
 */
import { isPort } from '../../runtime/host-port.js';

const PROBE_TEXT_RULE =
  '"tcp", "tcp:8081", "http:/path", "https:/path", "grpc", "grpc:8081", "grpc:/service" or "ttl:10s"';

/** What starts programs is written where only the owner of the machine writes. */
const NO_EXEC_TEXT_RULE =
  'a configuration file that has "enableExecProbe: true" and the probe as { type: exec, command: [...] }';

const NO_UDP_TEXT_RULE = 'a configuration file that has the probe as { type: udp, send: ..., expect: ... }';

/** What would have been right instead of a text that is no probe. */
export function ruleForProbeText(text: string): string {
  const [scheme] = split(text);
  if (scheme === 'exec') return NO_EXEC_TEXT_RULE;
  return scheme === 'udp' ? NO_UDP_TEXT_RULE : PROBE_TEXT_RULE;
}

/** The probe as the long form would write it. The values in it are checked by the schema of the long form. */
export interface ProbeObject {
  readonly type: 'tcp' | 'http' | 'grpc' | 'ttl';
  readonly [field: string]: unknown;
}

/** Undefined when the text has none of the short forms. */
export function expandProbeText(text: string): ProbeObject | undefined {
  const [scheme = '', rest] = split(text);
  if ((scheme === 'tcp' || scheme === 'grpc') && rest === undefined) return { type: scheme };
  if ((scheme === 'tcp' || scheme === 'grpc') && isPort(Number(rest))) {
    return { type: scheme, port: Number(rest) };
  }
  if (scheme === 'grpc' && rest?.startsWith('/')) return { type: 'grpc', service: rest.slice(1) };
  if (scheme === 'http' && rest?.startsWith('/')) return { type: 'http', path: rest };
  if (scheme === 'https' && rest?.startsWith('/')) return { type: 'http', path: rest, tls: true };
  if (scheme === 'ttl' && rest !== undefined) return { type: 'ttl', ttl: rest };
  return undefined;
}

function split(text: string): [string, string | undefined] {
  const at = text.indexOf(':');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
