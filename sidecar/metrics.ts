/**
 * The sidecar's metrics. They attach from outside, through events and a few calls, so that nothing that is
 * measured knows of them. Labels come from the local configuration and fixed lists only, never from a
 * registry or a service.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RegistryState } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import type { Announcer } from './announcer.js';
import { HEALTH_STATES, type HealthState } from './health.js';
import type { LoopLag } from './loop-lag.js';
import type { Orders } from './operator/orders.js';
import type { Prober } from './prober.js';
import { HOLD_REASONS, type HoldReason, type ProtectedHealth } from './protected-health.js';
import type { ServiceHealth } from './service-health.js';

export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** Every metric of our own, for the code below and for the table in the docs. */
export const SIDECAR_METRICS = {
  checks: {
    name: 'pilotfish_checks_total',
    type: 'counter',
    labels: ['service', 'id', 'probe', 'result'],
    help: 'Checks by result: passing, warning, failing, unknown.',
  },
  checkDuration: {
    name: 'pilotfish_check_duration_seconds',
    type: 'histogram',
    labels: ['service', 'id', 'probe'],
    help: 'How long scheduled checks took; TTL probes are not in it.',
  },
  checkOverruns: {
    name: 'pilotfish_check_overruns_total',
    type: 'counter',
    labels: ['service', 'id', 'probe'],
    help: 'Checks that fell out because the one before them lasted too long.',
  },
  serviceHealth: {
    name: 'pilotfish_service_health',
    type: 'gauge',
    labels: ['service', 'id', 'state'],
    help: '1 for the state the service is in, 0 for the others.',
  },
  transitions: {
    name: 'pilotfish_transitions_total',
    type: 'counter',
    labels: ['service', 'id', 'to'],
    help: 'Changes of the health of a service, by the new state.',
  },
  held: {
    name: 'pilotfish_held',
    type: 'gauge',
    labels: ['service', 'id', 'reason'],
    help: '1 while a protection holds the service: down for flapping, or up because every service fell silent at once.',
  },
  holds: {
    name: 'pilotfish_holds_total',
    type: 'counter',
    labels: ['service', 'id', 'reason'],
    help: 'Times a protection began to hold the service.',
  },
  registered: {
    name: 'pilotfish_registered',
    type: 'gauge',
    labels: ['service', 'id', 'registry'],
    help: '1 while the registration of the service is confirmed by the registry, else 0.',
  },
  conflict: {
    name: 'pilotfish_registration_conflict',
    type: 'gauge',
    labels: ['service', 'id', 'registry'],
    help: '1 while another process holds the entry of the same id, else 0.',
  },
  registrationsLost: {
    name: 'pilotfish_registrations_lost_total',
    type: 'counter',
    labels: ['service', 'id', 'registry', 'reason'],
    help: 'Entries that were gone without having been deregistered.',
  },
  writesDelayed: {
    name: 'pilotfish_registry_writes_delayed_total',
    type: 'counter',
    labels: ['service', 'id', 'registry'],
    help: 'Writes that had to wait because there were too many in a short time. Deregistrations never wait.',
  },
  registryOperations: {
    name: 'pilotfish_registry_operations_total',
    type: 'counter',
    labels: ['registry', 'operation', 'result'],
    help: 'Operations on a registry, by result: ok or error.',
  },
  registryState: {
    name: 'pilotfish_registry_state',
    type: 'gauge',
    labels: ['registry', 'state'],
    help: '1 for the state the connection to the registry is in, 0 for the others.',
  },
  registryReconnects: {
    name: 'pilotfish_registry_reconnects_total',
    type: 'counter',
    labels: ['registry'],
    help: 'Times the registry was connected again after it was not.',
  },
  maintenanceAge: {
    name: 'pilotfish_maintenance_age_seconds',
    type: 'gauge',
    labels: ['service', 'id'],
    help: 'For how long an instance has been in maintenance; nothing while it is not.',
  },
  forced: {
    name: 'pilotfish_forced',
    type: 'gauge',
    labels: ['service', 'id', 'to'],
    help: '1 while an operator forces the instance up or down, whatever its probes say.',
  },
  draining: {
    name: 'pilotfish_draining',
    type: 'gauge',
    labels: ['service', 'id'],
    help: '1 while the instance drains or is drained, else 0.',
  },
  reloads: {
    name: 'pilotfish_config_reloads_total',
    type: 'counter',
    labels: ['result'],
    help: 'Reloads of the configuration, by result: ok or error.',
  },
  reloadedAt: {
    name: 'pilotfish_config_last_reload_success_timestamp_seconds',
    type: 'gauge',
    labels: [],
    help: 'When the present configuration was loaded.',
  },
  logLinesDropped: {
    name: 'pilotfish_log_lines_dropped_total',
    type: 'counter',
    labels: [],
    help: 'Lines of the log that were dropped because whoever reads it had stopped.',
  },
  eventLoopLag: {
    name: 'pilotfish_event_loop_lag_seconds',
    type: 'gauge',
    labels: [],
    help: 'The longest stall of the event loop in the last 15 seconds.',
  },
} as const satisfies Record<string, MetricDescription>;

const CHECK_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A usual scrape interval. */
const LAG_WINDOW_MS = 15_000;

const REGISTRY_STATES: readonly RegistryState[] = [
  'connecting',
  'connected',
  'suspended',
  'expired',
  'denied',
  'closed',
];

/** Which of the configured instances; several of one service may share a sidecar. */
export interface InstanceLabels {
  readonly service: string;
  readonly id: string;
}

/** What people have ordered for an instance. */
export interface OperatedInstance {
  readonly labels: InstanceLabels;
  readonly orders: Orders;
  readonly isDraining: boolean;
}

export interface SidecarMetricsOptions {
  readonly clock: Clock;
  readonly lag: Pick<LoopLag, 'maxSince'>;
  /** Where the metrics are kept; default a registry of their own. A registry takes one sidecar's metrics. */
  readonly register?: Registry;
}

export class SidecarMetrics {
  readonly register: Registry;
  readonly #checks;
  readonly #checkDuration;
  readonly #checkOverruns;
  readonly #serviceHealth;
  readonly #transitions;
  readonly #registered;
  readonly #held;
  readonly #holds;
  readonly #conflict;
  readonly #lost;
  readonly #delayed;
  readonly #operations;
  readonly #registryState;
  readonly #reconnects;
  readonly #reloads;
  readonly #reloadedAt;
  readonly #clock: Clock;
  readonly #connectedBefore = new Set<string>();

  constructor({ clock, lag, register = new Registry() }: SidecarMetricsOptions) {
    const on = { registers: [register] };
    this.register = register;
    this.#checks = new Counter({ ...definition(SIDECAR_METRICS.checks), ...on });
    this.#checkDuration = new Histogram({
      ...definition(SIDECAR_METRICS.checkDuration),
      ...on,
      buckets: CHECK_SECONDS,
    });
    this.#checkOverruns = new Counter({ ...definition(SIDECAR_METRICS.checkOverruns), ...on });
    this.#serviceHealth = new Gauge({ ...definition(SIDECAR_METRICS.serviceHealth), ...on });
    this.#transitions = new Counter({ ...definition(SIDECAR_METRICS.transitions), ...on });
    this.#registered = new Gauge({ ...definition(SIDECAR_METRICS.registered), ...on });
    this.#held = new Gauge({ ...definition(SIDECAR_METRICS.held), ...on });
    this.#holds = new Counter({ ...definition(SIDECAR_METRICS.holds), ...on });
    this.#conflict = new Gauge({ ...definition(SIDECAR_METRICS.conflict), ...on });
    this.#lost = new Counter({ ...definition(SIDECAR_METRICS.registrationsLost), ...on });
    this.#delayed = new Counter({ ...definition(SIDECAR_METRICS.writesDelayed), ...on });
    this.#operations = new Counter({ ...definition(SIDECAR_METRICS.registryOperations), ...on });
    this.#registryState = new Gauge({ ...definition(SIDECAR_METRICS.registryState), ...on });
    this.#reconnects = new Counter({ ...definition(SIDECAR_METRICS.registryReconnects), ...on });
    this.#reloads = new Counter({ ...definition(SIDECAR_METRICS.reloads), ...on });
    this.#reloadedAt = new Gauge({ ...definition(SIDECAR_METRICS.reloadedAt), ...on });
    this.#clock = clock;
    this.#reloadedAt.set(clock.wallNow() / 1000);
    for (const result of ['ok', 'error']) this.#reloads.inc({ result }, 0);
    new Gauge({
      ...definition(SIDECAR_METRICS.eventLoopLag),
      ...on,
      collect() {
        this.set(lag.maxSince(clock.now() - LAG_WINDOW_MS) / 1000);
      },
    });
    addProcessMetrics(register);
  }

  /** Counts what a prober of the instance reports. The returned function ends that. */
  observeProber(instance: InstanceLabels, prober: Prober): () => void {
    const { name: probe, pace } = prober.probe;
    const labels = { ...instance, probe };
    this.#checkOverruns.inc(labels, 0);
    const endResults = prober.onResult(({ result }) => {
      this.#checks.inc({ ...labels, result: result.status });
      if (pace === 'interval') this.#checkDuration.observe(labels, result.durationMs / 1000);
    });
    const endOverruns = prober.onOverrun((ticks) => this.#checkOverruns.inc(labels, ticks));
    return () => {
      endResults();
      endOverruns();
    };
  }

  /** Follows an instance's health and its probers. The returned function ends that and forgets the state. */
  observeServiceHealth(instance: InstanceLabels, health: ServiceHealth): () => void {
    const ends = health.probers.map((prober) => this.observeProber(instance, prober));
    this.#setHealth(instance, health.state);
    ends.push(
      health.onChange(({ to }) => {
        this.#transitions.inc({ ...instance, to });
        this.#setHealth(instance, to);
      }),
    );
    return () => {
      for (const end of ends) end();
      for (const state of HEALTH_STATES) this.#serviceHealth.remove({ ...instance, state });
    };
  }

  /** Follows the protections of an instance. The returned function ends that and forgets what holds it now. */
  observeProtection(
    instance: InstanceLabels,
    protection: Pick<ProtectedHealth, 'onHold' | 'hold'>,
  ): () => void {
    for (const reason of HOLD_REASONS) this.#holds.inc({ ...instance, reason }, 0);
    this.#setHeld(instance, protection.hold?.reason);
    const end = protection.onHold((reason) => {
      if (reason !== undefined) this.#holds.inc({ ...instance, reason });
      this.#setHeld(instance, reason);
    });
    return () => {
      end();
      for (const reason of HOLD_REASONS) this.#held.remove({ ...instance, reason });
    };
  }

  /** Follows what an announcer writes for an instance. The returned function ends that and forgets the state. */
  observeAnnouncer(instance: InstanceLabels, announcer: Announcer): () => void {
    const labels = { ...instance, registry: announcer.registry.url };
    const report = (): void => {
      this.#registered.set(labels, Number(announcer.confirmed !== undefined));
      this.#conflict.set(labels, Number(announcer.inConflict));
    };
    report();
    this.#delayed.inc(labels, 0);
    const ends = [
      announcer.onChange(report),
      announcer.onOperation((done) => this.#operations.inc({ registry: labels.registry, ...done })),
      announcer.onLost((reason) => this.#lost.inc({ ...labels, reason })),
      announcer.onDelay(() => this.#delayed.inc(labels)),
    ];
    return () => {
      for (const end of ends) end();
      this.forgetRegistered(instance, labels.registry);
    };
  }

  /** An instance is not announced in a registry any more. */
  forgetRegistered(instance: InstanceLabels, registry: string): void {
    this.#registered.remove({ ...instance, registry });
    this.#conflict.remove({ ...instance, registry });
  }

  /**
   * Says how the connection to a registry stands; to be called with the first state and after each change.
   */
  registryState(registry: string, state: RegistryState): void {
    for (const each of REGISTRY_STATES)
      this.#registryState.set({ registry, state: each }, Number(each === state));
    const again = state === 'connected' && this.#connectedBefore.has(registry);
    this.#reconnects.inc({ registry }, Number(again));
    if (state === 'connected') this.#connectedBefore.add(registry);
  }

  /** A registry is written to no more. What was counted stays. */
  forgetRegistry(registry: string): void {
    for (const state of REGISTRY_STATES) this.#registryState.remove({ registry, state });
    this.#connectedBefore.delete(registry);
  }

  /** Counts a reload that has ended. */
  reloaded(result: 'ok' | 'error'): void {
    this.#reloads.inc({ result });
    if (result === 'ok') this.#reloadedAt.set(this.#clock.wallNow() / 1000);
  }

  /** Shows at each scrape how many lines of the log nobody will read. To be called once. */
  observeLog(droppedLines: () => number): void {
    new Counter({
      ...definition(SIDECAR_METRICS.logLinesDropped),
      registers: [this.register],
      collect() {
        this.reset();
        this.inc(droppedLines());
      },
    });
  }

  /** Shows at each scrape what operators have ordered, and who drains. To be called once. */
  observeOperators(present: () => readonly OperatedInstance[]): void {
    const clock = this.#clock;
    const registers = [this.register];
    new Gauge({
      ...definition(SIDECAR_METRICS.maintenanceAge),
      registers,
      collect() {
        this.reset();
        for (const { labels, orders } of present()) {
          const since = orders.maintenance?.since;
          if (since !== undefined) this.set(labels, (clock.wallNow() - since) / 1000);
        }
      },
    });
    new Gauge({
      ...definition(SIDECAR_METRICS.forced),
      registers,
      collect() {
        this.reset();
        for (const { labels, orders } of present()) {
          if (orders.forced !== undefined) this.set({ ...labels, to: orders.forced.to }, 1);
        }
      },
    });
    new Gauge({
      ...definition(SIDECAR_METRICS.draining),
      registers,
      collect() {
        this.reset();
        for (const { labels, isDraining } of present()) this.set(labels, Number(isDraining));
      },
    });
  }

  /** The text for a scrape, with its content type. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.register.contentType, text: await this.register.metrics() };
  }

  #setHeld(instance: InstanceLabels, current: HoldReason | undefined): void {
    for (const reason of HOLD_REASONS) this.#held.set({ ...instance, reason }, Number(reason === current));
  }

  #setHealth(instance: InstanceLabels, current: HealthState): void {
    for (const state of HEALTH_STATES) {
      this.#serviceHealth.set({ ...instance, state }, Number(state === current));
    }
  }
}

function definition<const D extends MetricDescription>(
  description: D,
): { name: string; help: string; labelNames: D['labels'] } {
  const { name, help, labels } = description;
  return { name, help, labelNames: labels };
}

/**
 * Memory, CPU, handles and garbage collection of the process, unless the registry holds them already. The
 * precision keeps prom-client's own loop histogram from waking the process a hundred times a second.
 */
function addProcessMetrics(register: Registry): void {
  if (register.getSingleMetric('process_cpu_seconds_total') !== undefined) return;
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 1000 });
}
