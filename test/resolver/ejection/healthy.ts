/** A picker with passive health under a clock that a test sets, and a shorthand to make requests with it. */
import type { Instance } from '../../../registry/contract.js';
import { HealthyPicker } from '../../../resolver/ejection/healthy-picker.js';
import { OutcomeCounts } from '../../../resolver/ejection/outcome-counts.js';
import { PassiveHealth } from '../../../resolver/ejection/passive-health.js';
import { type EjectionRules, ejectionRules } from '../../../resolver/ejection/rules.js';
import {
  type EjectionOptions,
  type Outcome,
  type OutcomeDetails,
  type Pick,
  type Policy,
  roundRobin,
  seededRandom,
} from '../../../resolver/index.js';
import { HandClock } from '../../simulator/hand-clock.js';

export interface Healthy {
  readonly clock: HandClock;
  readonly counts: OutcomeCounts;
  readonly health: PassiveHealth;
  readonly picker: HealthyPicker;
  readonly list: (instances: readonly Instance[]) => void;
  /** One request: picked, and done with what the answer of its endpoint is. Returns the id. */
  readonly request: (answer?: (id: string) => Answer) => string;
  /** A pick of this endpoint, found by asking again and again. */
  readonly pickOf: (id: string) => Pick;
  /** Ids of the ejected. */
  readonly ejected: () => string[];
}

export type Answer = readonly [Outcome, OutcomeDetails?];

export const OK: Answer = ['ok', { latencyMs: 1 }];
export const REFUSED: Answer = ['error', { failure: 'connect' }];
export const FAILED: Answer = ['error', { failure: 'status', status: 500 }];

export function rulesOf(options: EjectionOptions = {}): EjectionRules {
  return ejectionRules(options) as EjectionRules;
}

export function healthy(
  instances: readonly Instance[],
  options: EjectionOptions = {},
  policy: Policy = roundRobin(),
  seed = 1,
): Healthy {
  const clock = new HandClock();
  const context = { clock, random: seededRandom(seed) };
  const counts = new OutcomeCounts();
  const health = new PassiveHealth('orders', rulesOf(options), counts, context);
  const picker = new HealthyPicker(health, policy, context);
  picker.list(instances);
  const request = (answer: (id: string) => Answer = () => OK): string => {
    const pick = picker.pick() as Pick;
    pick.done(...answer(pick.instance.id));
    return pick.instance.id;
  };
  const pickOf = (id: string): Pick => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const pick = picker.pick() as Pick;
      if (pick.instance.id === id) return pick;
      pick.done('cancelled');
    }
    throw new Error(`${id} is not picked`);
  };
  const ejected = (): string[] => [...health.now().ejected].map(({ instance }) => instance.id).sort();
  return { clock, counts, health, picker, list: (next) => picker.list(next), request, pickOf, ejected };
}
