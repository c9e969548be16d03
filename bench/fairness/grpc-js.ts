/**
 * The balancers of grpc-js as a channel holds them: behind `ChildLoadBalancerHandler`, which is told each list and tells
 * back a picker for each state. Connections are stand-ins: ready from the start, and never where the server is dead. Like
 * the real ones they outlive the lists, in a pool.
 */
import { connectivityState, experimental, Metadata, status } from '@grpc/grpc-js';
import type { Outcome } from '../../resolver/index.js';
import type { Balancer, Contender, Member, World } from './contender.js';
import type { Servers } from './servers.js';

/** Where grpc-js keeps a load report that is decoded already; the servers' trailers are not encoded here. */
const REPORT_KEY = 'grpc_orca_load_report';
type Trace = ReturnType<experimental.SubchannelInterface['getChannelzRef']>;
const NO_TRACE = { kind: 'subchannel', id: 0, name: '' } as unknown as Trace;

class Connection implements experimental.SubchannelInterface {
  readonly id: string;
  readonly #servers: Servers;

  constructor(id: string, servers: Servers) {
    this.id = id;
    this.#servers = servers;
  }

  getConnectivityState(): connectivityState {
    const { isDead = false } = this.#servers.behaviourOf(this.id);
    return isDead ? connectivityState.TRANSIENT_FAILURE : connectivityState.READY;
  }

  getAddress = (): string => this.id;
  realSubchannelEquals = (other: experimental.SubchannelInterface): boolean => other === this;
  getChannelzRef = (): Trace => NO_TRACE;
  isHealthy = (): boolean => true;
  getRealSubchannel = (): never => notHere();
  getCallCredentials = (): never => notHere();
  getChannel = (): never => notHere();
  addConnectivityStateListener(): void {}
  removeConnectivityStateListener(): void {}
  addHealthStateWatcher(): void {}
  removeHealthStateWatcher(): void {}
  addDataWatcher(): void {}
  startConnecting(): void {}
  throttleKeepalive(): void {}
  ref(): void {}
  unref(): void {}
}

function notHere(): never {
  throw new Error('a connection that is none has no such thing');
}

class Channel implements Balancer {
  readonly #servers: Servers;
  readonly #connections = new Map<string, Connection>();
  readonly #config: experimental.TypedLoadBalancingConfig;
  readonly #balancer: experimental.LoadBalancer;
  #picker: experimental.Picker = new experimental.UnavailablePicker();

  constructor(policy: string, { servers }: World) {
    this.#servers = servers;
    this.#config = experimental.parseLoadBalancingConfig({ [policy]: {} });
    this.#balancer = new experimental.ChildLoadBalancerHandler({
      createSubchannel: (address) => this.#connectionTo('host' in address ? address.host : address.path),
      updateState: (_state, picker) => {
        this.#picker = picker;
      },
      requestReresolution: () => {},
      addChannelzChild: () => {},
      removeChannelzChild: () => {},
    });
  }

  list(members: readonly Member[]): void {
    const staying = members.filter(({ isLeaving }) => !isLeaving);
    const endpoints = staying.map(({ id }) => ({ addresses: [{ host: id, port: 80 }] }));
    const list = experimental.statusOrFromValue(endpoints);
    this.#balancer.updateAddressList(list, this.#config, {}, '');
  }

  pick() {
    const { subchannel, onCallStarted, onCallEnded } = this.#picker.pick({
      metadata: new Metadata(),
      extraPickInfo: {},
    });
    if (subchannel === null) return undefined;
    const id = subchannel.getAddress();
    onCallStarted?.();
    const done = (outcome: Outcome): void => {
      const code = outcome === 'ok' ? status.OK : status.UNAVAILABLE;
      onCallEnded?.(code, '', this.#trailersOf(id));
    };
    return { instance: { id }, done };
  }

  hearReports(): void {}

  close(): void {
    this.#balancer.destroy();
  }

  #connectionTo(id: string): Connection {
    const connection = this.#connections.get(id) ?? new Connection(id, this.#servers);
    this.#connections.set(id, connection);
    return connection;
  }

  /** What the server said last of its load, as each of its answers carries it. */
  #trailersOf(id: string): Metadata {
    const trailers = new Metadata();
    const report = this.#servers.reportOf(id);
    if (report !== undefined) {
      const { perSecond, utilization } = report;
      const load = { rps_fractional: perSecond, application_utilization: utilization, eps: 0 };
      trailers.setOpaque(REPORT_KEY, load);
    }
    return trailers;
  }
}

function contender(policy: string, knows: Contender['knows'] = {}): Contender {
  return { library: '@grpc/grpc-js', name: policy, knows, open: (world) => new Channel(policy, world) };
}

export const GRPC_JS: readonly Contender[] = [
  contender('round_robin'),
  contender('weighted_round_robin', { weights: 'reports', reports: true }),
];
