/** Our policies, as a handle runs them: on the members that may be picked, and on request behind passive health. */
import type { Instance } from '../../registry/contract.js';
import { parseInstance } from '../../registry/instance.js';
import { Balancer as ServiceBalancer } from '../../resolver/balancer.js';
import { OutcomeCounts } from '../../resolver/ejection/outcome-counts.js';
import { PassiveHealth } from '../../resolver/ejection/passive-health.js';
import { ejectionRules } from '../../resolver/ejection/rules.js';
import {
  consistentHash,
  leastLoaded,
  type PickRequest,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  slowStart,
  subset,
} from '../../resolver/index.js';
import { eligible } from '../../resolver/policies/weights.js';
import type { Balancer, Contender, Member, World } from './contender.js';

const RULES = ejectionRules(true);

class Caller implements Balancer {
  readonly #balancer: ServiceBalancer;

  constructor(policy: Policy, { time, random, isProtected }: World) {
    const context = { clock: time, random };
    const health =
      isProtected && RULES !== undefined
        ? new PassiveHealth('orders', RULES, new OutcomeCounts(), context)
        : undefined;
    this.#balancer = new ServiceBalancer(policy, context, health);
  }

  list(members: readonly Member[]): void {
    const instances = members.map(instanceOf).sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#balancer.rebuild(eligible(instances));
  }

  pick(request?: PickRequest) {
    return this.#balancer.picker.pick(request);
  }

  hearReports(): void {}
  close(): void {}
}

function instanceOf({ id, weight, isLeaving = false }: Member): Instance {
  const status = isLeaving ? 'draining' : 'passing';
  const parsed = parseInstance({ service: 'orders', id, host: `${id}.example`, port: 80, weight, status });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

function contender(name: string, policy: Policy, knows: Contender['knows'] = {}): Contender {
  return {
    library: 'pilotfish',
    name,
    knows: { weights: 'list', protection: true, ...knows },
    open: (world) => new Caller(policy, world),
  };
}

export const PILOTFISH: readonly Contender[] = [
  contender('roundRobin', roundRobin()),
  contender('random', random()),
  contender('leastLoaded', leastLoaded()),
  contender('peakEwma', peakEwma()),
  contender('consistentHash', consistentHash(), { keys: true }),
];

export const SLOW_START: Contender = contender('slowStart({}, roundRobin())', slowStart({}, roundRobin()));

export const SUBSET_SIZE = 32;
export const SUBSET: Contender = contender(
  `subset({ size: ${SUBSET_SIZE} }, roundRobin())`,
  subset({ size: SUBSET_SIZE, clientId: 'caller' }, roundRobin()),
);
