/**
 * What the sidecar is told to do, after everything was checked: defaults filled in, durations in milliseconds, nothing
 * optional left open. Frozen all the way down, so that a reload can compare two of them and share the equal parts.
 */
import type { HostPort } from '../../runtime/host-port.js';
import type { ListenAddress } from '../../runtime/listen-address.js';
import type { AddressChoice } from '../address.js';
import type { DrainSettings } from '../drain.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface SidecarConfig {
  /** Where each service is registered: all of them. At least one. */
  readonly registries: readonly string[];
  /** Where the admin HTTP server listens; port 0 is any free one. */
  readonly admin: ListenAddress;
  /** The file of the token that the admin server asks for; always there when other hosts can reach it. */
  readonly adminTokenFile: string | undefined;
  /** Where the metrics are served to other hosts as well; undefined for nowhere but the admin server. */
  readonly metrics: HostPort | undefined;
  readonly logLevel: LogLevel;
  /** How long each step of a drain takes. */
  readonly drain: DrainSettings;
  /** Where the orders of operators are kept. */
  readonly stateDir: string;
  /** Whether a change of the file is followed without being asked. */
  readonly reloadOnChange: boolean;
  /** Whether `exec` probes are allowed. Only a configuration file can say so. */
  readonly enableExecProbe: boolean;
  /** Whether nobody is deregistered at once when every service falls silent in the same moment. */
  readonly protectMassFailure: boolean;
  /** How many sidecars may lose their sessions together. */
  readonly fleetSize: number;
  /** At least one; no two with the same name and id. */
  readonly services: readonly ServiceConfig[];
}

export interface ServiceConfig {
  readonly name: string;
  readonly id: string;
  /** The port callers are sent to. */
  readonly port: number;
  readonly address: AddressChoice;
  /** 0 to 65535. */
  readonly weight: number;
  /** The share of the weight that is left while a probe warns, 0 to 1. */
  readonly warningWeight: number;
  /** Whether its return is held back while it goes up and down. */
  readonly flapHoldDown: boolean;
  readonly tags: readonly string[];
  readonly zone: string | undefined;
  readonly version: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The file of the secret that its heartbeats carry; the same for all instances of the service. */
  readonly heartbeatSecretFile: string | undefined;
  /** Where the service says how many requests it works on; undefined for heartbeats only. */
  readonly inFlight: InFlightConfig | undefined;
  /** How many of the probes must pass. */
  readonly require: Requirement;
  /** At least one, each with its own name. */
  readonly probes: readonly ProbeConfig[];
}

export type ProbeConfig =
  | TcpProbeConfig
  | HttpProbeConfig
  | GrpcProbeConfig
  | UdpProbeConfig
  | ExecProbeConfig
  | TtlProbeConfig;

export interface InFlightConfig {
  readonly url: string;
  /** The Prometheus metric to add up; undefined when the answer is the number itself or `{"inFlight": 3}`. */
  readonly metric: string | undefined;
}

/** Advisory probes are not counted. */
export type Requirement = 'all' | 'any' | { readonly atLeast: number };

/** How often a probe checks and how many results in a row count. */
export interface ProbeSchedule {
  /** Unique within its service and stable across reloads: `tcp`, `http:/health`, `ttl`. */
  readonly name: string;
  /** From the start of one check to the start of the next. */
  readonly intervalMs: number;
  /** The same while results are counted towards `rise` or `fall`. Never above `intervalMs`. */
  readonly fastIntervalMs: number;
  /** The share of the interval by which it varies either way, 0 to 1. */
  readonly jitter: number;
  /** One total deadline for a check: resolve, connect, send, receive. */
  readonly timeoutMs: number;
  /** Successes in a row that make it healthy. */
  readonly rise: number;
  /** Failures in a row that make it unhealthy. */
  readonly fall: number;
  /** Failures this soon after the start are not counted. */
  readonly startGraceMs: number;
  /** Only reported: whatever it says, the health of the service is not changed by it. */
  readonly advisory: boolean;
}

export interface ProbeTarget {
  /** An IP literal, or a host name when `resolve` is true. */
  readonly host: string;
  readonly port: number;
  readonly resolve: boolean;
}

export interface TcpTarget extends ProbeTarget {
  /** Whether an idle connection is held beside the checks; see `probes/hold.ts`. */
  readonly hold: boolean;
}

export interface TcpProbeConfig extends ProbeSchedule, TcpTarget {
  readonly type: 'tcp';
}

export interface HttpProbeConfig extends ProbeSchedule, TcpTarget {
  readonly type: 'http';
  /** Starts with a slash; may hold a query. */
  readonly path: string;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A status in any of these ranges, both ends included, is a success. */
  readonly expectStatus: readonly StatusRange[];
  /** A text the body must contain. */
  readonly expectBody: string | undefined;
  /** Undefined for plain HTTP. */
  readonly tls: TlsConfig | undefined;
}

export interface GrpcProbeConfig extends ProbeSchedule, TcpTarget {
  readonly type: 'grpc';
  /** The name asked for, as in `orders.v1.Orders`; empty for the server as a whole. */
  readonly service: string;
  /** Undefined for HTTP/2 without TLS. */
  readonly tls: TlsConfig | undefined;
}

export interface UdpProbeConfig extends ProbeSchedule, ProbeTarget {
  readonly type: 'udp';
  /** The datagram, as text or `hex:` and its bytes; see `payload.ts`. */
  readonly send: string;
  /** What a reply must contain, in the same form. */
  readonly expect: string;
}

export interface ExecProbeConfig extends ProbeSchedule {
  readonly type: 'exec';
  /** The program and its arguments. No shell reads them. */
  readonly command: readonly [program: string, ...args: string[]];
  /** What is checked, for the program to read from its environment. */
  readonly subject: ProbeSubject;
}

export interface ProbeSubject {
  readonly service: string;
  readonly id: string;
  readonly port: number;
}

export interface TtlProbeConfig extends ProbeSchedule {
  readonly type: 'ttl';
  /** Silence of the service for longer than this is a failure. */
  readonly ttlMs: number;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface TlsConfig {
  /** A PEM file with the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** The name to send and to verify; default the probe's host. */
  readonly serverName?: string;
  readonly insecureSkipVerify: boolean;
}
