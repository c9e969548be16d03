/**
 * From the file's form to what the sidecar works with: short forms spelt out, durations in milliseconds, every default
 * filled in. The innermost value wins: probe, service, top level, default.
 */

import { MAX_NAME_LENGTH } from '../../registry/instance.js';
import { parseDuration } from '../../runtime/duration.js';
import { parseHostPort } from '../../runtime/host-port.js';
import { type ListenAddress, parseListenAddress } from '../../runtime/listen-address.js';
import { type AddressChoice, parseAddressChoice } from '../address.js';
import { kindOf } from '../address-kind.js';
import type {
  HttpProbeConfig,
  ProbeConfig,
  ProbeSchedule,
  ProbeTarget,
  ServiceConfig,
  SidecarConfig,
  TcpTarget,
  TlsConfig,
} from './config.js';
import { defaultProbeName } from './probe-name.js';
import {
  type ConfigFile,
  type HttpProbeInput,
  longFormOf,
  type ProbeInput,
  type ProbeTargetInput,
  type ScheduleInput,
  type ServiceInput,
} from './schema.js';
import { parseStatusRange } from './status-range.js';

/** What the surroundings contribute. */
export interface Surroundings {
  /** The machine's name, for the default ids. */
  readonly hostname: string;
  /** For what must survive a restart. */
  readonly stateDir: string;
}

type Schedule = { readonly [K in keyof ScheduleInput]-?: NonNullable<ScheduleInput[K]> };

const DEFAULT_SCHEDULE: Schedule = {
  interval: '2s',
  fastInterval: '500ms',
  jitter: 0.1,
  timeout: '1s',
  rise: 2,
  fall: 3,
  startGrace: '0s',
};

/** One heartbeat is a statement of the service itself, so nothing needs to be repeated. */
const TTL_SCHEDULE = { rise: 1, fall: 1 } as const;

/** `file` has passed the schema. The result is frozen. */
export function normalize(file: ConfigFile, surroundings: Surroundings): SidecarConfig {
  return freeze({
    registries: [file.registry ?? 'local:'].flat(),
    admin: parseListenAddress(file.admin ?? '127.0.0.1:9190') as ListenAddress,
    adminTokenFile: file.adminTokenFile,
    metrics: file.metrics === undefined ? undefined : parseHostPort(file.metrics),
    logLevel: file.logLevel ?? 'info',
    drain: {
      propagationMs: ms(file.drainPropagation ?? '200ms'),
      waitMs: ms(file.drainWait ?? '5s'),
      timeoutMs: ms(file.drainTimeout ?? '25s'),
    },
    stateDir: file.stateDir ?? surroundings.stateDir,
    reloadOnChange: file.reloadOnChange ?? false,
    enableExecProbe: file.enableExecProbe ?? false,
    protectMassFailure: file.protectMassFailure ?? true,
    fleetSize: file.fleetSize ?? 500,
    services: file.services.map((service) => normalizeService(service, file, surroundings)),
  });
}

function normalizeService(input: ServiceInput, file: ConfigFile, { hostname }: Surroundings): ServiceConfig {
  const probes = input.probes ?? ['tcp'];
  const id = input.id ?? defaultId(hostname, input.port);
  return {
    name: input.name,
    id,
    port: input.port,
    address: parseAddressChoice(input.address ?? file.address ?? 'detected') as AddressChoice,
    weight: input.weight ?? 1,
    warningWeight: input.warningWeight ?? 0.5,
    flapHoldDown: input.flapHoldDown ?? file.flapHoldDown ?? true,
    tags: input.tags ?? [],
    zone: input.zone,
    version: input.version,
    metadata: input.metadata ?? {},
    heartbeatSecretFile: input.heartbeatSecretFile,
    inFlight: input.inFlight && { url: input.inFlight.url, metric: input.inFlight.metric },
    require: input.require ?? 'all',
    probes: probes.map((probe) => normalizeProbe(longFormOf(probe), { ...input, id }, file)),
  };
}

/** Characters that a name may not hold become dashes; see `registry/instance.ts`. */
function defaultId(hostname: string, port: number): string {
  const safe = hostname.replaceAll(/[^A-Za-z0-9._~-]/g, '-').replace(/^\.+/, '');
  return `${safe.slice(0, MAX_NAME_LENGTH - 6) || 'host'}-${port}`;
}

type NamedService = ServiceInput & { readonly id: string };

function normalizeProbe(input: ProbeInput, service: NamedService, file: ConfigFile): ProbeConfig {
  const schedule = {
    name: input.name ?? defaultProbeName(input, service.port),
    ...scheduleOf(input, service, file),
  };
  if (input.type === 'ttl') return { type: 'ttl', ...schedule, ttlMs: ms(input.ttl) };
  if (input.type === 'exec') {
    const { name, id, port } = service;
    return { type: 'exec', ...schedule, command: input.command, subject: { service: name, id, port } };
  }
  const target = targetOf(input, service.port);
  if (input.type === 'udp')
    return { type: 'udp', ...schedule, ...target, send: input.send, expect: input.expect };
  const held = { ...target, hold: input.hold ?? kindOf(target.host) === 'loopback' };
  if (input.type === 'tcp') return { type: 'tcp', ...schedule, ...held };
  if (input.type === 'http') return { type: 'http', ...schedule, ...held, ...requestOf(input) };
  return { type: 'grpc', ...schedule, ...held, service: input.service ?? '', tls: tlsOf(input.tls) };
}

function targetOf({ host, port, resolve }: ProbeTargetInput, servicePort: number): ProbeTarget {
  return { host: host ?? '127.0.0.1', port: port ?? servicePort, resolve: resolve ?? false };
}

function requestOf(
  input: HttpProbeInput,
): Omit<HttpProbeConfig, 'type' | keyof TcpTarget | keyof ProbeSchedule> {
  const headers = Object.entries(input.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    path: input.path ?? '/',
    method: input.method ?? 'GET',
    headers: Object.fromEntries(headers),
    expectStatus: (input.expectStatus ?? ['2xx']).flatMap((status) => parseStatusRange(status) ?? []),
    expectBody: input.expectBody,
    tls: tlsOf(input.tls),
  };
}

function tlsOf(input: HttpProbeInput['tls']): TlsConfig | undefined {
  if (input === undefined || input === false) return undefined;
  const { ca, serverName, insecureSkipVerify = false } = input === true ? {} : input;
  return {
    ...(ca !== undefined && { ca }),
    ...(serverName !== undefined && { serverName }),
    insecureSkipVerify,
  };
}

function scheduleOf(probe: ProbeInput, service: ServiceInput, file: ConfigFile): Omit<ProbeSchedule, 'name'> {
  const layers = [DEFAULT_SCHEDULE, file, service, probe.type === 'ttl' ? TTL_SCHEDULE : {}, probe];
  const value = <K extends keyof Schedule>(key: K): Schedule[K] =>
    layers.map((layer: ScheduleInput) => layer[key]).findLast((each) => each !== undefined) as Schedule[K];
  const intervalMs = ms(value('interval'));
  return {
    intervalMs,
    fastIntervalMs: Math.min(ms(value('fastInterval')), intervalMs),
    jitter: value('jitter'),
    timeoutMs: ms(value('timeout')),
    rise: value('rise'),
    fall: value('fall'),
    startGraceMs: ms(value('startGrace')),
    advisory: probe.advisory ?? false,
  };
}

function ms(duration: string): number {
  return parseDuration(duration) as number;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(Object.freeze(value))) freeze(inner);
  }
  return value;
}
