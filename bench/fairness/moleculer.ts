/**
 * The strategies of moleculer in a broker that is told of its remote nodes by the packets that those would send, and
 * makes real calls: only what would go out on the wire is kept here.
 */
import { type Context, Errors, ServiceBroker } from 'moleculer';
import type { Outcome, PickRequest } from '../../resolver/index.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';
import type { Balancer, Contender, Member, World } from './contender.js';
import type { Servers } from './servers.js';

const ACTION = 'orders.get';

/** As much of the inside of a broker as its own transit uses when a packet arrives. */
interface Inside {
  readonly registry: {
    readonly nodes: {
      processNodeInfo(info: object): void;
      disconnected(nodeID: string, isUnexpected: boolean): void;
    };
    readonly discoverer: { heartbeatReceived(nodeID: string, heartbeat: object): void };
  };
  readonly localBus: { emit(event: string, payload: object): void };
  readonly transit: { request(context: Context): Promise<unknown> };
}

interface Sent {
  readonly id: string;
  readonly answer: Deferred<unknown>;
}

class Broker implements Balancer {
  readonly #servers: Servers;
  readonly #broker: ServiceBroker;
  readonly #inside: Inside;
  #listed: ReadonlySet<string> | undefined;
  #sequence = 1;
  /** The last request that a call has sent. */
  #sent: Sent | undefined;

  constructor(strategy: string, { servers, isProtected }: World) {
    this.#servers = servers;
    this.#broker = new ServiceBroker({
      nodeID: 'caller',
      logger: false,
      transporter: 'Fake',
      internalServices: false,
      skipProcessEventRegistration: true,
      registry: { strategy, strategyOptions: strategy === 'Shard' ? { shardKey: 'key' } : {} },
      circuitBreaker: { enabled: isProtected },
    });
    this.#inside = this.#broker as unknown as Inside;
    this.#inside.transit.request = ({ nodeID }) => {
      this.#sent = { id: nodeID ?? '', answer: deferred<unknown>() };
      return this.#sent.answer.promise;
    };
  }

  /** Each node says what it has. At the start everybody is pinged; later comers are with the next round. */
  list(members: readonly Member[]): void {
    const { nodes } = this.#inside.registry;
    const staying = new Set(members.filter(({ isLeaving }) => !isLeaving).map(({ id }) => id));
    for (const id of this.#listed ?? []) if (!staying.has(id)) nodes.disconnected(id, false);
    this.#sequence++;
    for (const id of staying) nodes.processNodeInfo(infoOf(id, this.#sequence));
    const isFirst = this.#listed === undefined;
    this.#listed = staying;
    if (isFirst) this.#ping();
  }

  pick(request?: PickRequest) {
    const sent = this.#call(request?.key);
    if (sent === undefined) return undefined;
    const done = (outcome: Outcome): void => {
      if (outcome === 'ok') sent.answer.resolve({});
      else sent.answer.reject(Object.assign(new Error('no answer'), { code: 504 }));
    };
    return { instance: { id: sent.id }, done };
  }

  /** Undefined where the call fails before anything is sent: a strategy may choose a node that is not available. */
  #call(key: PickRequest['key']): Sent | undefined {
    this.#sent = undefined;
    try {
      this.#broker.call(ACTION, { key }).catch(() => {});
    } catch (error) {
      if (!(error instanceof Errors.MoleculerServerError && error.type === 'INVALID_ENDPOINT')) throw error;
    }
    return this.#sent;
  }

  hearReports(): void {
    this.#ping();
    const { discoverer } = this.#inside.registry;
    for (const id of this.#listed ?? []) {
      const report = this.#servers.reportOf(id);
      if (report !== undefined) {
        discoverer.heartbeatReceived(id, { cpu: Math.round(report.utilization * 100) });
      }
    }
  }

  close(): void {}

  #ping(): void {
    for (const nodeID of this.#listed ?? []) {
      const { latencyMs, isDead = false } = this.#servers.behaviourOf(nodeID);
      if (latencyMs === undefined || isDead) continue;
      this.#inside.localBus.emit('$node.pong', { nodeID, elapsedTime: latencyMs, timeDiff: 0 });
    }
  }
}

/** What a node with one action says of itself. */
function infoOf(id: string, seq: number): object {
  const actions = { [ACTION]: { name: ACTION, rawName: 'get' } };
  const services = [{ name: 'orders', fullName: 'orders', settings: {}, metadata: {}, actions, events: {} }];
  const node = { instanceID: id, hostname: id, ipList: [], port: null, client: {}, config: {}, metadata: {} };
  return { sender: id, seq, services, ...node };
}

function contender(strategy: string, knows: Contender['knows'] = {}): Contender {
  return {
    library: 'moleculer',
    name: strategy,
    knows: { protection: true, promises: true, ...knows },
    open: (world) => new Broker(strategy, world),
  };
}

export const MOLECULER: readonly Contender[] = [
  contender('RoundRobin'),
  contender('Random'),
  contender('CpuUsage', { reports: true }),
  contender('Latency'),
  contender('Shard', { keys: true }),
];
