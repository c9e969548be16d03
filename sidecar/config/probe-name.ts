/**
 * What a probe is called in logs, metrics and `/v1/status`: its short text form, with the target where it is not the
 * service itself. The query of a path is left out, as it may hold a secret.
 */
import { basename } from 'node:path';
import { formatHostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import type { ProbeInput, ProbeTargetInput } from './schema.js';

/** `tcp`, `tcp:8081`, `tcp:10.0.0.5:8081`, `http:/health`, `https:8443/health`, `grpc:/orders.v1.Orders`, `udp:53`, `exec:check_disk`, `ttl`. */
export function defaultProbeName(probe: ProbeInput, servicePort: number): string {
  if (probe.type === 'ttl') return 'ttl';
  if (probe.type === 'exec') return `exec:${printable(basename(probe.command[0]), 100)}`;
  const target = targetOf(probe, servicePort);
  if (probe.type === 'tcp' || probe.type === 'udp') return joined(probe.type, target);
  if (probe.type === 'grpc') return joined('grpc', probe.service ? `${target}/${probe.service}` : target);
  const scheme = probe.tls === undefined || probe.tls === false ? 'http' : 'https';
  const path = (probe.path ?? '/').replace(/\?.*$/, '');
  return joined(scheme, target + path);
}

function joined(scheme: string, target: string): string {
  return target === '' ? scheme : `${scheme}:${target}`.slice(0, 128);
}

function targetOf(probe: ProbeTargetInput, servicePort: number): string {
  const port = probe.port ?? servicePort;
  if (probe.host !== undefined && probe.host !== '127.0.0.1')
    return formatHostPort({ host: probe.host, port });
  return port === servicePort ? '' : String(port);
}
