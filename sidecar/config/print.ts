/**
 * The effective configuration in the file's own form: what was printed can be given back as `--config`. Values that
 * may be secret, header values and the queries of paths, are shown as a mark and have to be put in again.
 */
import { stringify } from 'yaml';
import { formatDuration } from '../../runtime/duration.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { formatAddressChoice } from '../address.js';
import type { HttpProbeConfig, ProbeConfig, ServiceConfig, SidecarConfig } from './config.js';
import { formatStatusRange } from './status-range.js';

export const REDACTED = 'REDACTED';

/** As YAML, with a newline at the end. */
export function printYaml(config: SidecarConfig): string {
  return stringify(toFileForm(config), { aliasDuplicateObjects: false });
}

/** As one JSON document, with a newline at the end. */
export function printJson(config: SidecarConfig): string {
  return `${JSON.stringify(toFileForm(config), undefined, 2)}\n`;
}

/** Plain data that the schema accepts. */
export function toFileForm(config: SidecarConfig): object {
  return {
    registry: config.registries,
    admin: formatHostPort(config.admin),
    ...given({ metrics: config.metrics && formatHostPort(config.metrics) }),
    logLevel: config.logLevel,
    services: config.services.map(serviceForm),
  };
}

function serviceForm({ address, probes, zone, version, ...service }: ServiceConfig): object {
  return {
    ...service,
    address: formatAddressChoice(address),
    ...given({ zone, version }),
    probes: probes.map(probeForm),
  };
}

function probeForm(probe: ProbeConfig): object {
  const { type, name, advisory, jitter, rise, fall } = probe;
  const schedule = {
    interval: formatDuration(probe.intervalMs),
    fastInterval: formatDuration(probe.fastIntervalMs),
    jitter,
    timeout: formatDuration(probe.timeoutMs),
    rise,
    fall,
    startGrace: formatDuration(probe.startGraceMs),
    advisory,
  };
  if (probe.type === 'ttl') return { type, name, ttl: formatDuration(probe.ttlMs), ...schedule };
  const { host, port, resolve, hold } = probe;
  const request = probe.type === 'http' ? requestForm(probe) : {};
  return { type, name, host, port, resolve, hold, ...request, ...schedule };
}

function requestForm({ path, method, headers, expectStatus, expectBody, tls }: HttpProbeConfig): object {
  const hidden = Object.keys(headers).map((header) => [header, REDACTED]);
  return {
    path: path.replace(/\?.*$/, `?${REDACTED}`),
    method,
    headers: Object.fromEntries(hidden),
    expectStatus: expectStatus.map(formatStatusRange),
    ...given({ expectBody }),
    tls: tls ?? false,
  };
}

/** Without the fields that are undefined. */
function given(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
