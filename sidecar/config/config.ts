/**
 * What the sidecar is told to do, after everything was checked: defaults filled in, durations in milliseconds, nothing
 * optional left open. Frozen all the way down, so that a reload can compare two of them and share the equal parts.
 */
import type { HostPort } from '../../runtime/host-port.js';
import type { AddressChoice } from '../address.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface SidecarConfig {
  /** Where each service is registered: all of them. At least one. */
  readonly registries: readonly string[];
  /** Where the admin HTTP server listens; port 0 is any free one. */
  readonly admin: HostPort;
  /** Where the metrics are served to other hosts as well; undefined for nowhere but the admin server. */
  readonly metrics: HostPort | undefined;
  readonly logLevel: LogLevel;
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
  readonly tags: readonly string[];
  readonly zone: string | undefined;
  readonly version: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** How many of the probes must pass. */
  readonly require: Requirement;
  /** At least one, each with its own name. */
  readonly probes: readonly ProbeConfig[];
}

export type ProbeConfig = TcpProbeConfig | HttpProbeConfig | TtlProbeConfig;

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
