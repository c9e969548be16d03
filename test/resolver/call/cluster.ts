/** Endpoints that answer as a test says, behind a real handle on a registry in memory, under a virtual clock. */
import {
  type CallOptions,
  type ConnectOptions,
  type Discovery,
  type Outcome,
  type OutcomeDetails,
  type Pick,
  type Policy,
  type RetryCounts,
  roundRobin,
  type ServiceHandle,
  type Work,
} from '../../../resolver/index.js';
import { sleep } from '../../../runtime/clock.js';
import type { VirtualClock } from '../../../runtime/virtual-clock.js';
import { fixture, settled } from '../fixture.js';
import { instance, type Listed, type MemoryRegistry } from '../memory-registry.js';

export interface Behaviour {
  readonly latencyMs?: number;
  readonly error?: unknown;
  /** Goes on after the signal: some work cannot be aborted. */
  readonly isDeaf?: boolean;
}

export interface Sent {
  readonly id: string;
  readonly attempt: number;
  readonly atMs: number;
  readonly signal: AbortSignal;
}

export function failing(code: string, more: object = {}): Error {
  return Object.assign(new Error(code), { code, ...more });
}

export const REFUSED = failing('ECONNREFUSED', { syscall: 'connect' });
export const RESET = failing('ECONNRESET', { syscall: 'read' });

export interface Ended extends OutcomeDetails {
  readonly id: string;
  readonly outcome: Outcome;
}

export class Cluster {
  readonly clock: VirtualClock;
  readonly registry: MemoryRegistry;
  readonly handle: ServiceHandle;
  readonly sent: Sent[] = [];
  /** Every `done` of a request that was sent, in their order. */
  readonly ends: Ended[] = [];
  /** Picks that nobody ended yet. */
  inFlight = 0;
  readonly wasSent = new WeakSet<Pick>();
  readonly discovery: Discovery;
  behave: (id: string, attempt: number) => Behaviour = () => ({});

  private constructor({ clock, registry, discovery }: Awaited<ReturnType<typeof fixture>>) {
    this.clock = clock;
    this.registry = registry;
    this.handle = discovery.service('orders');
    this.discovery = discovery;
  }

  /** Instances with these ids, or as described. */
  static async of(instances: readonly (string | Listed)[], options: ConnectOptions = {}): Promise<Cluster> {
    const { policy = roundRobin() } = options;
    const cluster: Cluster = new Cluster(
      await fixture({ ...options, policy: watched(policy, () => cluster) }),
    );
    cluster.list(instances);
    // Loading it takes real time, in which a virtual clock could go far.
    await import('p-retry');
    await settled(cluster.clock);
    return cluster;
  }

  list(instances: readonly (string | Listed)[]): void {
    this.registry.list(instances.map((each) => instance(typeof each === 'string' ? { id: each } : each)));
  }

  /** A call that resolves with the id of the endpoint that answered; `done` of its picks is recorded. */
  call(options: CallOptions = {}): Promise<string> {
    return this.handle.call(this.work, options);
  }

  get retries(): RetryCounts | undefined {
    return this.discovery.status().find(({ service }) => service === 'orders')?.retries;
  }

  close(): Promise<void> {
    return this.discovery.close();
  }

  get ids(): string[] {
    return this.sent.map(({ id }) => id);
  }

  readonly work: Work<string> = async (pick, { signal, attempt }) => {
    const { id } = pick.instance;
    this.wasSent.add(pick);
    this.sent.push({ id, attempt, atMs: this.clock.now(), signal });
    const { latencyMs = 1, error, isDeaf } = this.behave(id, attempt);
    await sleep(this.clock, latencyMs, isDeaf ? undefined : signal);
    if (error !== undefined) throw error;
    return id;
  };
}

/** A policy whose picks are counted, and whose `done` throws when it is called twice. */
function watched(policy: Policy, cluster: () => Cluster): Policy {
  const watch = (pick: Pick): Pick => {
    const { instance, endpoint } = pick;
    const { id } = instance;
    let ended = false;
    cluster().inFlight++;
    const done = (outcome: Outcome, details: OutcomeDetails = {}): void => {
      if (ended) throw new Error(`the pick of ${id} ended twice`);
      ended = true;
      cluster().inFlight--;
      if (cluster().wasSent.has(watching)) cluster().ends.push({ id, outcome, ...details });
      pick.done(outcome, details);
    };
    const watching = { instance, endpoint, done };
    return watching;
  };
  return {
    build(candidates, _previous, context) {
      const picker = policy.build(candidates, undefined, context);
      return {
        pick(request) {
          const pick = picker.pick(request);
          return pick && watch(pick);
        },
      };
    },
  };
}
