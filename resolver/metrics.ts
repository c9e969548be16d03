/**
 * Prometheus metrics of the resolver, attached from outside: values are read when they are scraped, and the path of a
 * pick knows nothing of them. The only file of the resolver that imports prom-client; public as `pilotfish/metrics`.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Discovery, ServiceStatus } from './discovery.js';
import { LATENCY_BOUNDS_MS, type LatencyCounts } from './ejection/outcome-counts.js';

/** One metric as a documentation table shows it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly Label[];
  readonly unit: string;
  readonly meaning: string;
}

/** Bounded: services are those that the caller's own code asks for, the others have fixed values. */
type Label = 'service' | 'reason' | 'outcome';
type Labels = Readonly<Partial<Record<Label, string>>>;

interface Sample {
  /** Beside the service. */
  readonly labels: Labels;
  readonly value: number;
}

interface SampledMetric extends MetricDescription {
  readonly type: 'counter' | 'gauge';
  /** Empty when there is nothing to tell now. */
  readonly samplesOf: (status: ServiceStatus) => readonly Sample[];
  /** How the values of several discoveries that watch one service become one. */
  readonly combine: (a: number, b: number) => number;
}

const add = (a: number, b: number): number => a + b;

function one(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}

function each(label: Label, values: Readonly<Record<string, number>> = {}): readonly Sample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

const METRICS: readonly SampledMetric[] = [
  {
    name: 'pilotfish_resolver_endpoints',
    type: 'gauge',
    labels: ['service'],
    unit: 'endpoints',
    meaning: 'Endpoints in the current list that may be picked.',
    samplesOf: ({ endpoints }) => one(endpoints),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_picks_total',
    type: 'counter',
    labels: ['service'],
    unit: 'picks',
    meaning: 'Picks that found an endpoint.',
    samplesOf: ({ picks }) => one(picks),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_empty_picks_total',
    type: 'counter',
    labels: ['service'],
    unit: 'picks',
    meaning: 'Picks that found none, because no list had arrived or it had no endpoint.',
    samplesOf: ({ emptyPicks }) => one(emptyPicks),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_stale_seconds',
    type: 'gauge',
    labels: ['service'],
    unit: 'seconds',
    meaning: 'For how long the list has been kept without the registry confirming it; 0 while it is current.',
    samplesOf: ({ staleMs }) => one(staleMs === undefined ? undefined : staleMs / 1000),
    combine: Math.max,
  },
  {
    name: 'pilotfish_resolver_held',
    type: 'gauge',
    labels: ['service'],
    unit: 'endpoints',
    meaning: 'Endpoints in use that the registry lists no more: most of the list vanished at once.',
    samplesOf: ({ held }) => one(held),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_watch_updates_total',
    type: 'counter',
    labels: ['service'],
    unit: 'lists',
    meaning: 'Lists received from registries, unchanged ones included.',
    samplesOf: ({ watchUpdates }) => one(watchUpdates),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_watch_errors_total',
    type: 'counter',
    labels: ['service'],
    unit: 'errors',
    meaning: 'Times a watch broke or could not be started again.',
    samplesOf: ({ watchErrors }) => one(watchErrors),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_rejected_entries',
    type: 'gauge',
    labels: ['service'],
    unit: 'entries',
    meaning: 'Entries of the current list that are no valid instance, or are refused by the address policy.',
    samplesOf: ({ rejectedEntries }) => one(rejectedEntries),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_ejected',
    type: 'gauge',
    labels: ['service'],
    unit: 'endpoints',
    meaning: 'Endpoints left out now because callers found them bad.',
    samplesOf: ({ ejected }) => one(ejected),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_ejections_total',
    type: 'counter',
    labels: ['service', 'reason'],
    unit: 'ejections',
    meaning: 'Times an endpoint was ejected, by reason.',
    samplesOf: ({ outcomes }) => each('reason', outcomes?.ejections),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_panics_total',
    type: 'counter',
    labels: ['service'],
    unit: 'panics',
    meaning: 'Times so few good endpoints were left that ejections were ignored.',
    samplesOf: ({ outcomes }) => one(outcomes?.panics),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_requests_total',
    type: 'counter',
    labels: ['service', 'outcome'],
    unit: 'requests',
    meaning: 'Requests that ended, by outcome, where ejection is on.',
    samplesOf: ({ outcomes }) => each('outcome', outcomes?.ended),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_in_flight',
    type: 'gauge',
    labels: ['service'],
    unit: 'requests',
    meaning: 'Requests that were picked and have not ended, where ejection is on.',
    samplesOf: ({ outcomes }) => one(outcomes?.inFlight),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_retries_total',
    type: 'counter',
    labels: ['service'],
    unit: 'requests',
    meaning: 'Requests sent again, to another endpoint, after a failure.',
    samplesOf: ({ retries }) => one(retries.retries),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_hedges_total',
    type: 'counter',
    labels: ['service'],
    unit: 'requests',
    meaning: 'Second requests that calls sent because the first was slow.',
    samplesOf: ({ retries }) => one(retries.hedges),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_budget_refusals_total',
    type: 'counter',
    labels: ['service'],
    unit: 'requests',
    meaning: 'Retries and hedges that the budget refused.',
    samplesOf: ({ retries }) => one(retries.budgetRefusals),
    combine: add,
  },
  {
    name: 'pilotfish_resolver_overloads_total',
    type: 'counter',
    labels: ['service'],
    unit: 'calls',
    meaning: 'Calls that ended because every endpoint had as many requests as it may.',
    samplesOf: ({ retries }) => one(retries.overloads),
    combine: add,
  },
];

const LATENCY: MetricDescription = {
  name: 'pilotfish_resolver_latency_seconds',
  type: 'histogram',
  labels: ['service'],
  unit: 'seconds',
  meaning:
    'From the pick to the first byte, or to the end where nobody says, without cancelled requests, where ejection is on.',
};

/** Every metric of the resolver, for documentation and for tests of it. */
export const RESOLVER_METRICS: readonly MetricDescription[] = [...METRICS, LATENCY].map(
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
  const attachments = instrumented.get(register) ?? attachmentsOf(register);
  instrumented.set(register, attachments);
  for (const attach of attachments) attach(discovery);
  return register;
}

function attachmentsOf(register: Registry): readonly Attach[] {
  return [...METRICS.map((metric) => create(metric, register)), createLatency(register)];
}

function create(metric: SampledMetric, register: Registry): Attach {
  return metric.type === 'counter' ? createCounter(metric, register) : createGauge(metric, register);
}

function createGauge(metric: SampledMetric, register: Registry): Attach {
  const discoveries = new Set<Discovery>();
  new Gauge<Label>({
    ...base(metric, register),
    collect() {
      this.reset();
      for (const { labels, value } of combined(metric, discoveries).values()) this.set(labels, value);
      for (const discovery of discoveries) if (discovery.closed) discoveries.delete(discovery);
    },
  });
  return (discovery) => discoveries.add(discovery);
}

/** By the values of all labels. */
function combined(
  { samplesOf, combine }: SampledMetric,
  discoveries: Iterable<Discovery>,
): ReadonlyMap<string, Sample> {
  const samples = new Map<string, Sample>();
  for (const status of [...discoveries].flatMap((discovery) => discovery.status())) {
    for (const { labels: own, value } of samplesOf(status)) {
      const labels = { service: status.service, ...own };
      const key = Object.values(labels).join('\n');
      const before = samples.get(key);
      samples.set(key, { labels, value: before === undefined ? value : combine(before.value, value) });
    }
  }
  return samples;
}

/** A counter grows by what each discovery counted since the last scrape, so that it never falls when one closes. */
function createCounter(metric: SampledMetric, register: Registry): Attach {
  const seen = new Map<Discovery, Map<string, number>>();
  new Counter<Label>({
    ...base(metric, register),
    collect() {
      for (const [discovery, counts] of seen) {
        for (const [key, { labels, value }] of combined(metric, [discovery])) {
          this.inc(labels, value - (counts.get(key) ?? 0));
          counts.set(key, value);
        }
        if (discovery.closed) seen.delete(discovery);
      }
    },
  });
  return (discovery) => {
    if (!seen.has(discovery)) seen.set(discovery, new Map());
  };
}

/** The buckets are filled where requests end, without prom-client; a scrape only reads them. */
class LatencyHistogram extends Histogram<Label> {
  readonly #read: () => ReadonlyMap<string, LatencyCounts>;

  constructor(register: Registry, read: () => ReadonlyMap<string, LatencyCounts>) {
    super({ ...base(LATENCY, register), buckets: LATENCY_BOUNDS_MS.map((bound) => bound / 1000) });
    this.#read = read;
  }

  /** What prom-client makes both of its forms from, text and JSON. */
  async getForPromString() {
    const values = [...this.#read()].flatMap(([service, counts]) => bucketValues(service, counts));
    return { name: LATENCY.name, help: LATENCY.meaning, type: LATENCY.type, aggregator: 'sum', values };
  }
}

function bucketValues(service: string, { buckets, sumMs }: LatencyCounts) {
  const sharedLabels = { service };
  let count = 0;
  const cumulative = buckets.map((inBucket, at) => {
    count += inBucket;
    const bound = LATENCY_BOUNDS_MS[at];
    const le = bound === undefined ? '+Inf' : bound / 1000;
    return { metricName: `${LATENCY.name}_bucket`, labels: { le }, sharedLabels, value: count };
  });
  return [
    ...cumulative,
    { metricName: `${LATENCY.name}_sum`, labels: {}, sharedLabels, value: sumMs / 1000 },
    { metricName: `${LATENCY.name}_count`, labels: {}, sharedLabels, value: count },
  ];
}

/** Grows like a counter. */
function createLatency(register: Registry): Attach {
  const totals = new Map<string, LatencyCounts>();
  const seen = new Map<Discovery, Map<string, LatencyCounts>>();
  new LatencyHistogram(register, () => {
    for (const [discovery, counts] of seen) {
      for (const { service, outcomes } of discovery.status()) {
        if (outcomes === undefined) continue;
        totals.set(service, grown(totals.get(service), outcomes.latency, counts.get(service)));
        counts.set(service, outcomes.latency);
      }
      if (discovery.closed) seen.delete(discovery);
    }
    return totals;
  });
  return (discovery) => {
    if (!seen.has(discovery)) seen.set(discovery, new Map());
  };
}

function grown(total: LatencyCounts = NO_LATENCY, now: LatencyCounts, before = NO_LATENCY): LatencyCounts {
  const sums = now.buckets.map((count, at) => (total.buckets[at] ?? 0) + count - (before.buckets[at] ?? 0));
  return { buckets: sums, sumMs: total.sumMs + now.sumMs - before.sumMs };
}

const NO_LATENCY: LatencyCounts = { buckets: [], sumMs: 0 };

function base({ name, meaning, labels }: MetricDescription, register: Registry) {
  return { name, help: meaning, labelNames: labels, registers: [register] };
}
