/**
 * What a probe is called in logs, metrics and `/v1/status`: its short text form, with the target where it is not the
 * service itself. The query of a path is left out, as it may hold a secret.
 */
import { formatHostPort } from '../../runtime/host-port.js';
import type { ProbeInput } from './schema.js';

/** `tcp`, `tcp:8081`, `tcp:10.0.0.5:8081`, `http:/health`, `https:8443/health`, `ttl`. */
export function defaultProbeName(probe: ProbeInput, servicePort: number): string {
  if (probe.type === 'ttl') return 'ttl';
  const target = targetOf(probe, servicePort);
  if (probe.type === 'tcp') return target === '' ? 'tcp' : `tcp:${target}`;
  const scheme = probe.tls === undefined || probe.tls === false ? 'http' : 'https';
  const path = (probe.path ?? '/').replace(/\?.*$/, '');
  return `${scheme}:${target}${path}`.slice(0, 128);
}

function targetOf(probe: Exclude<ProbeInput, { type: 'ttl' }>, servicePort: number): string {
  const port = probe.port ?? servicePort;
  if (probe.host !== undefined && probe.host !== '127.0.0.1')
    return formatHostPort({ host: probe.host, port });
  return port === servicePort ? '' : String(port);
}
