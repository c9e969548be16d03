/**
 * Prometheus metrics of the resolver, attached from outside: values are read when they are scraped, and the path of a
 * pick knows nothing of them. The only file of the resolver that imports prom-client; public as `pilotfish/metrics`.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Discovery, ServiceStatus } from './discovery.js';

/** One metric as a documentation table shows it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly unit: string;
  readonly meaning: string;
}

interface ResolverMetric extends MetricDescription {
  /** Undefined when there is nothing to tell now. */
  readonly valueOf: (status: ServiceStatus) => number | undefined;
  /** How the values of several discoveries that watch one service become one. */
  readonly combine: (a: number, b: number) => number;
}

/** The only label: bounded by the services that the caller's own code asks for. */
const LABELS = ['service'] as const;
type Label = (typeof LABELS)[number];

const add = (a: number, b: number): number => a + b;

const METRICS: readonly ResolverMetric[] = [
  {
    name: 'pilotfish_resolver_endpoints',
    type: 'gauge',
    labels: LABELS,
    unit: 'endpoints',
    meaning: 'Endpoints in the current list that may be picked.',
    valueOf: ({ endpoints }) => endpoints,
    combine: add,
  },
  {
    name: 'pilotfish_resolver_picks_total',
    type: 'counter',
    labels: LABELS,
    unit: 'picks',
    meaning: 'Picks that found an endpoint.',
    valueOf: ({ picks }) => picks,
    combine: add,
  },
  {
    name: 'pilotfish_resolver_empty_picks_total',
    type: 'counter',
    labels: LABELS,
    unit: 'picks',
    meaning: 'Picks that found none, because no list had arrived or it had no endpoint.',
    valueOf: ({ emptyPicks }) => emptyPicks,
    combine: add,
  },
  {
    name: 'pilotfish_resolver_stale_seconds',
    type: 'gauge',
    labels: LABELS,
    unit: 'seconds',
    meaning: 'For how long the list has been kept without the registry confirming it; 0 while it is current.',
    valueOf: ({ staleMs }) => (staleMs === undefined ? undefined : staleMs / 1000),
    combine: Math.max,
  },
  {
    name: 'pilotfish_resolver_watch_updates_total',
    type: 'counter',
    labels: LABELS,
    unit: 'lists',
    meaning: 'Lists received from registries, unchanged ones included.',
    valueOf: ({ watchUpdates }) => watchUpdates,
    combine: add,
  },
  {
    name: 'pilotfish_resolver_watch_errors_total',
    type: 'counter',
    labels: LABELS,
    unit: 'errors',
    meaning: 'Times a watch broke or could not be started again.',
    valueOf: ({ watchErrors }) => watchErrors,
    combine: add,
  },
  {
    name: 'pilotfish_resolver_rejected_entries',
    type: 'gauge',
    labels: LABELS,
    unit: 'entries',
    meaning: 'Entries of the current list left out: no valid instance, or refused by the address policy.',
    valueOf: ({ rejectedEntries }) => rejectedEntries,
    combine: add,
  },
];

/** Every metric of the resolver, for documentation and for tests of it. */
export const RESOLVER_METRICS: readonly MetricDescription[] = METRICS.map(
  ({ name, type, labels, unit, meaning }) => ({ name, type, labels, unit, meaning }),
);

export interface InstrumentOptions {
  /** Where the metrics go. Default: a new registry; never prom-client's global one unless it is given here. */
  readonly register?: Registry;
}

type Attach = (discovery: Discovery) => void;

const instrumented = new WeakMap<Registry, readonly Attach[]>();

/**
 * Exposes a discovery's metrics, and returns the registry to scrape. Several discoveries may share one registry: their
 * counts add up by service. A closed discovery is let go at the next scrape, and what it counted stays.
 */
export function instrument(
  discovery: Discovery,
  { register = new Registry() }: InstrumentOptions = {},
): Registry {
  const attachments = instrumented.get(register) ?? METRICS.map((metric) => create(metric, register));
  instrumented.set(register, attachments);
  for (const attach of attachments) attach(discovery);
  return register;
}

function create(metric: ResolverMetric, register: Registry): Attach {
  return metric.type === 'counter' ? createCounter(metric, register) : createGauge(metric, register);
}

function createGauge(metric: ResolverMetric, register: Registry): Attach {
  const discoveries = new Set<Discovery>();
  new Gauge<Label>({
    ...base(metric, register),
    collect() {
      this.reset();
      for (const [service, value] of combined(metric, discoveries)) this.set({ service }, value);
      for (const discovery of discoveries) if (discovery.closed) discoveries.delete(discovery);
    },
  });
  return (discovery) => discoveries.add(discovery);
}

function combined(metric: ResolverMetric, discoveries: Iterable<Discovery>): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const status of [...discoveries].flatMap((discovery) => discovery.status())) {
    const value = metric.valueOf(status);
    if (value === undefined) continue;
    const before = values.get(status.service);
    values.set(status.service, before === undefined ? value : metric.combine(before, value));
  }
  return values;
}

/** A counter grows by what each discovery counted since the last scrape, so that it never falls when one closes. */
function createCounter(metric: ResolverMetric, register: Registry): Attach {
  const seen = new Map<Discovery, Map<string, number>>();
  new Counter<Label>({
    ...base(metric, register),
    collect() {
      for (const [discovery, counts] of seen) {
        for (const [service, value] of combined(metric, [discovery])) {
          this.inc({ service }, value - (counts.get(service) ?? 0));
          counts.set(service, value);
        }
        if (discovery.closed) seen.delete(discovery);
      }
    },
  });
  return (discovery) => {
    if (!seen.has(discovery)) seen.set(discovery, new Map());
  };
}

function base({ name, meaning, labels }: ResolverMetric, register: Registry) {
  return { name, help: meaning, labelNames: labels as readonly Label[], registers: [register] };
}
