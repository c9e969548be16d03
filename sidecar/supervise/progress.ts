/**
 * Whether the probes still make progress: each must bring a new result at least as often as its schedule says. Pure: a
 * look at what `/v1/status` says now and at what was seen before. Time is monotonic; `at` only tells results apart.
 */
import type { ProbeConfig, SidecarConfig } from '../config/config.js';

/** The part of `/v1/status` that is looked at. */
export interface StatusReport {
  readonly services: readonly {
    readonly name: string;
    readonly id: string;
    readonly health: { readonly probes: readonly ReportedProbe[] };
  }[];
}

interface ReportedProbe {
  readonly name: string;
  /** The newest last. */
  readonly recent: readonly { readonly at: number }[];
}

/** For each probe its newest result, and since when it is the newest. */
export type Seen = ReadonlyMap<string, { readonly resultAt: number | undefined; readonly since: number }>;

export interface Progress {
  readonly seen: Seen;
  /** The probes that are overdue, as `orders/orders-1/tcp`. */
  readonly stuck: readonly string[];
}

/** Timers are late on a busy machine; that is no standstill. */
const SLACK_MS = 2_000;

/** The longest time without a result that a probe can explain. */
export function longestSilenceMs(probe: ProbeConfig): number {
  const { intervalMs, jitter, timeoutMs, startGraceMs } = probe;
  if (probe.type === 'ttl') return Math.max(probe.ttlMs, startGraceMs, intervalMs) + SLACK_MS;
  return intervalMs * (1 + 2 * jitter) + timeoutMs + SLACK_MS;
}

/** The limits of every probe by its key. */
export function silenceLimits({ services }: SidecarConfig): ReadonlyMap<string, number> {
  return new Map(
    services.flatMap(({ name, id, probes }) =>
      probes.map((probe) => [keyOf(name, id, probe.name), longestSilenceMs(probe)] as const),
    ),
  );
}

export function progress(
  before: Seen,
  report: StatusReport,
  limits: ReadonlyMap<string, number>,
  now: number,
): Progress {
  const seen = new Map(
    newestResults(report).map(([key, resultAt]) => {
      const known = before.get(key);
      return [key, known !== undefined && known.resultAt === resultAt ? known : { resultAt, since: now }];
    }),
  );
  const isStuck = (key: string): boolean =>
    now - (seen.get(key)?.since ?? now) > (limits.get(key) ?? Infinity);
  return { seen, stuck: [...seen.keys()].filter(isStuck) };
}

function newestResults({ services }: StatusReport): readonly (readonly [string, number | undefined])[] {
  return services.flatMap(({ name, id, health }) =>
    health.probes.map((probe) => [keyOf(name, id, probe.name), probe.recent.at(-1)?.at] as const),
  );
}

function keyOf(service: string, id: string, probe: string): string {
  return `${service}/${id}/${probe}`;
}
