/**
 * The sidecar's metrics. They attach from outside, through events and a few calls, so that nothing that is
 * measured knows of them. Labels come from the local configuration and fixed lists only, never from a
 * registry or a service.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RegistryState } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import { HEALTH_STATES, type HealthState } from './health.js';
import type { LoopLag } from './loop-lag.js';
import type { Prober } from './prober.js';
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
  registered: {
    name: 'pilotfish_registered',
    type: 'gauge',
    labels: ['service', 'id', 'registry'],
    help: '1 while the registration of the service is confirmed by the registry, else 0.',
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
  readonly #operations;
  readonly #registryState;
  readonly #reconnects;
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
    this.#operations = new Counter({ ...definition(SIDECAR_METRICS.registryOperations), ...on });
    this.#registryState = new Gauge({ ...definition(SIDECAR_METRICS.registryState), ...on });
    this.#reconnects = new Counter({ ...definition(SIDECAR_METRICS.registryReconnects), ...on });
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

  /** Says whether an instance is confirmed in a registry. */
  registered(instance: InstanceLabels, registry: string, isRegistered: boolean): void {
    this.#registered.set({ ...instance, registry }, Number(isRegistered));
  }

  /** Counts an operation that has ended, such as `register`, `update`, `confirm`, `deregister`. */
  registryOperation(registry: string, operation: string, result: 'ok' | 'error'): void {
    this.#operations.inc({ registry, operation, result });
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

  /** The text for a scrape, with its content type. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.register.contentType, text: await this.register.metrics() };
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
