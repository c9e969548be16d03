/** moleculer: `findNextActionEndpoint`, with which every call begins, on a broker that is not started. */
import { type BrokerNode, ServiceBroker } from 'moleculer';
import { hostOf } from './endpoints.js';
import type { Peer } from './peer.js';

const ACTION = 'bench.call';

export function openMoleculer(strategy: 'RoundRobin' | 'Random'): (count: number) => Peer {
  return (count) => {
    const broker = new ServiceBroker({ logger: false, registry: { strategy } });
    const { actions } = broker.registry;
    const service = { name: 'bench' };
    const join = (index: number): void => {
      actions.add({ id: hostOf(index) } as BrokerNode, service, { name: ACTION });
    };
    for (let index = 0; index < count; index++) join(index);
    const first = broker.findNextActionEndpoint(ACTION);
    if (first instanceof Error) throw first;
    return {
      loop(picks) {
        let sum = 0;
        for (let i = 0; i < picks; i++) if (broker.findNextActionEndpoint(ACTION) === first) sum++;
        return sum;
      },
      change(joining, leaving) {
        joining.forEach(join);
        for (const index of leaving) actions.remove(ACTION, hostOf(index));
      },
    };
  };
}
