/**
 * grpc-js: its balancers as its channel runs them, on subchannels that are always ready. Only the subchannels are not its
 * own, and those are cheaper: no address is looked up among them, and nothing connects.
 */
import { connectivityState, experimental, Metadata } from '@grpc/grpc-js';
import { equal, hostOf } from './endpoints.js';
import type { Peer } from './peer.js';

type Subchannel = experimental.SubchannelInterface;
type Call = Parameters<experimental.Picker['pick']>[0];

const CALL: Call = { metadata: new Metadata(), extraPickInfo: {} };

/** Weights as servers report them with their answers; a picker of its own knows no other. Never recomputed by a timer. */
const WEIGHTED = { weighted_round_robin: { blackout_period: '0s', weight_update_period: '1000000s' } };
/** Under which grpc-js leaves a report that it has read once. */
const LOAD_REPORT = 'grpc_orca_load_report';
const NOWHERE = {};

export function openRoundRobin(count: number): Peer {
  return peerOf(new GrpcList({ round_robin: {} }, count));
}

export function openWeightedRoundRobin(count: number, weightOf: (index: number) => number = equal): Peer {
  const list = new GrpcList(WEIGHTED, count);
  // Without weights all are equal, so in so many picks each is picked once.
  for (let pick = 0; pick < count; pick++) list.report(weightOf);
  list.update();
  return peerOf(list);
}

function peerOf(list: GrpcList): Peer {
  const first = list.picker.pick(CALL).subchannel;
  return {
    loop(picks) {
      const { picker } = list;
      let sum = 0;
      for (let i = 0; i < picks; i++) if (picker.pick(CALL).subchannel === first) sum++;
      return sum;
    },
    change: (joining, leaving) => list.change(joining, leaving),
  };
}

class GrpcList {
  readonly #config: experimental.TypedLoadBalancingConfig;
  readonly #balancer: experimental.ChildLoadBalancerHandler;
  readonly #endpoints = new Map<number, experimental.Endpoint>();
  readonly #indexes = new Map<Subchannel, number>();
  readonly #subchannels = new Map<string, Subchannel>();
  picker: experimental.Picker = new experimental.UnavailablePicker();

  constructor(config: Parameters<typeof experimental.parseLoadBalancingConfig>[0], count: number) {
    this.#config = experimental.parseLoadBalancingConfig(config);
    this.#balancer = new experimental.ChildLoadBalancerHandler({
      createSubchannel: (address) => this.#subchannelOf(experimental.subchannelAddressToString(address)),
      updateState: (_state, picker) => {
        this.picker = picker;
      },
      requestReresolution: () => {},
      addChannelzChild: () => {},
      removeChannelzChild: () => {},
    });
    for (let index = 0; index < count; index++) this.#add(index);
    this.update();
  }

  change(joining: readonly number[], leaving: readonly number[]): void {
    for (const index of joining) this.#add(index);
    for (const index of leaving) this.#remove(index);
    this.update();
  }

  /** As after each answer of a resolver: a list is always a whole one. */
  update(): void {
    const endpoints = experimental.statusOrFromValue([...this.#endpoints.values()]);
    this.#balancer.updateAddressList(endpoints, this.#config, {}, '');
  }

  /** One call, whose answer says that the endpoint bears so much. */
  report(weightOf: (index: number) => number): void {
    const { subchannel, onCallEnded } = this.picker.pick(CALL);
    const weight = weightOf(this.#indexes.get(subchannel as Subchannel) as number);
    const trailer = new Metadata();
    trailer.setOpaque(LOAD_REPORT, { rps_fractional: weight, application_utilization: 1, eps: 0 });
    onCallEnded?.(0, '', trailer);
  }

  #add(index: number): void {
    const address = addressOf(index);
    this.#endpoints.set(index, { addresses: [address] });
    const subchannel = new ReadySubchannel(address.host) as unknown as Subchannel;
    this.#subchannels.set(experimental.subchannelAddressToString(address), subchannel);
    this.#indexes.set(subchannel, index);
  }

  #remove(index: number): void {
    const address = experimental.subchannelAddressToString(addressOf(index));
    this.#endpoints.delete(index);
    this.#indexes.delete(this.#subchannelOf(address));
    this.#subchannels.delete(address);
  }

  #subchannelOf(address: string): Subchannel {
    return this.#subchannels.get(address) as Subchannel;
  }
}

function addressOf(index: number): { readonly host: string; readonly port: number } {
  return { host: hostOf(index), port: 80 };
}

/** As little of a subchannel as the balancers ask for. */
class ReadySubchannel {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  getConnectivityState(): connectivityState {
    return connectivityState.READY;
  }

  isHealthy(): boolean {
    return true;
  }

  getAddress(): string {
    return this.#address;
  }

  realSubchannelEquals(other: unknown): boolean {
    return other === this;
  }

  getChannelzRef(): unknown {
    return NOWHERE;
  }

  addConnectivityStateListener(): void {}
  removeConnectivityStateListener(): void {}
  addHealthStateWatcher(): void {}
  removeHealthStateWatcher(): void {}
  startConnecting(): void {}
  ref(): void {}
  unref(): void {}
}
