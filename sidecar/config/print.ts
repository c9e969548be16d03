/**
 * The effective configuration in the file's own form: what was printed can be given back as `--config`. Values that
 * may be secret, header values and the queries of paths, are shown as a mark and have to be put in again.
 */
import { stringify } from 'yaml';
import { formatDuration } from '../../runtime/duration.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { formatListenAddress } from '../../runtime/listen-address.js';
import { formatAddressChoice } from '../address.js';
import type {
  GrpcProbeConfig,
  HttpProbeConfig,
  ProbeConfig,
  ServiceConfig,
  SidecarConfig,
  TcpProbeConfig,
} from './config.js';
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
    admin: formatListenAddress(config.admin),
    ...given({ adminTokenFile: config.adminTokenFile }),
    ...given({ metrics: config.metrics && formatHostPort(config.metrics) }),
    logLevel: config.logLevel,
    drainPropagation: formatDuration(config.drain.propagationMs),
    drainWait: formatDuration(config.drain.waitMs),
    drainTimeout: formatDuration(config.drain.timeoutMs),
    stateDir: config.stateDir,
    reloadOnChange: config.reloadOnChange,
    enableExecProbe: config.enableExecProbe,
    protectMassFailure: config.protectMassFailure,
    fleetSize: config.fleetSize,
    services: config.services.map(serviceForm),
  };
}

function serviceForm(config: ServiceConfig): object {
  const { address, probes, zone, version, heartbeatSecretFile, inFlight, ...service } = config;
  return {
    ...service,
    address: formatAddressChoice(address),
    ...given({ zone, version, heartbeatSecretFile, inFlight: inFlight && given({ ...inFlight }) }),
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
  if (probe.type === 'exec') return { type, name, command: probe.command, ...schedule };
  const { host, port, resolve } = probe;
  const target = { type, name, host, port, resolve };
  if (probe.type === 'udp') return { ...target, send: probe.send, expect: probe.expect, ...schedule };
  return { ...target, hold: probe.hold, ...requestForm(probe), ...schedule };
}

function requestForm(probe: TcpProbeConfig | HttpProbeConfig | GrpcProbeConfig): object {
  if (probe.type === 'http') return httpRequestForm(probe);
  return probe.type === 'grpc' ? { service: probe.service, tls: probe.tls ?? false } : {};
}

function httpRequestForm({ path, method, headers, expectStatus, expectBody, tls }: HttpProbeConfig): object {
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
