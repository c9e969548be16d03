/**
 * New endpoints begin with little and grow to their full weight (Envoy's slow start, linear): caches are cold, code is
 * not compiled yet. How long an endpoint has been there is how long *this client* has seen it, by its own monotonic
 * clock; a start time in the registry would be another machine's clock.
 *
 * The first list of all is taken as it is: whoever starts knows nothing of who else did. An endpoint that comes back
 * within a minute is not new.
 */
import type { Instance } from '../../registry/contract.js';
import { checkNumbers } from '../check-numbers.js';
import { described } from '../policies/described.js';
import { EndpointStates } from '../policies/endpoint-states.js';
import { effectiveWeight } from '../policies/weights.js';
import type { Pick, Picker, PickerDescription, PickRequest, Policy, PolicyContext } from '../policy.js';
import { leftOutBy, withWeight } from './narrowed.js';

export interface SlowStartOptions {
  /** How long until the full weight, in milliseconds. Default 30000. */
  readonly windowMs?: number;
  /** The share of its weight that an endpoint begins with, above 0 to 1. Default 0.1. */
  readonly minShare?: number;
}

/** While somebody is new the inner picker is built anew so many times in a window. */
const STEPS = 20;

/** What the new ones do not take yet, the others do: up to so many times what each has where nobody is new. */
const MOST_LOAD = 1.5;

interface Rules {
  readonly windowMs: number;
  readonly minShare: number;
  readonly policy: Policy;
}

class SlowStart implements Picker {
  /** For each endpoint when it was first seen. */
  readonly seen: EndpointStates<number>;
  /** The inner policy's picker for the weights of the moment. */
  inner: Picker;
  readonly #candidates: readonly Instance[];
  readonly #rules: Rules;
  readonly #context: PolicyContext;
  /** When the weights are due to change; Infinity when all are full. */
  #nextStepAt = 0;

  constructor(
    candidates: readonly Instance[],
    former: SlowStart | undefined,
    rules: Rules,
    context: PolicyContext,
  ) {
    const nowMs = context.clock.now();
    const firstSeen = former === undefined ? Number.NEGATIVE_INFINITY : nowMs;
    this.seen = new EndpointStates(candidates, former?.seen, nowMs, () => firstSeen);
    this.#candidates = candidates;
    this.#rules = rules;
    this.#context = context;
    this.inner = this.#step(former?.inner, nowMs);
  }

  pick(request?: PickRequest): Pick | undefined {
    if (this.#nextStepAt !== Number.POSITIVE_INFINITY) this.#grow();
    return this.inner.pick(request);
  }

  describe(): PickerDescription {
    return this.inner.describe?.() ?? described('unknown', 'as its own code says', this.#candidates);
  }

  #grow(): void {
    const nowMs = this.#context.clock.now();
    if (nowMs >= this.#nextStepAt) this.inner = this.#step(this.inner, nowMs);
  }

  #step(former: Picker | undefined, nowMs: number): Picker {
    const { windowMs, minShare, policy } = this.#rules;
    const grown = this.seen.current.map((since) =>
      Math.max(minShare, Math.min(1, (nowMs - since) / windowMs)),
    );
    const isSettled = grown.every((share) => share === 1);
    this.#nextStepAt = isSettled ? Number.POSITIVE_INFINITY : nowMs + windowMs / STEPS;
    const shares = sharing(this.#candidates.map(effectiveWeight), grown);
    const weighted = this.#candidates.map((instance, at) =>
      withWeight(instance, effectiveWeight(instance) * (shares[at] as number)),
    );
    return policy.build(isSettled ? this.#candidates : weighted, former, this.#context);
  }
}

/**
 * The shares of the weights that are in use. Where so many are new that those who are not would have too much to do, as in
 * a rolling deploy, the new ones begin with more: each is brought nearer to its full weight, the smallest by the most.
 */
function sharing(weights: readonly number[], grown: readonly number[]): readonly number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const used = weights.reduce((sum, weight, at) => sum + weight * (grown[at] as number), 0);
  const missing = whole / MOST_LOAD - used;
  if (missing <= 0) return grown;
  return grown.map((share) => share + (1 - share) * (missing / (whole - used)));
}

/**
 * `policy` with the weight of each new endpoint growing from `minShare` to all of it, from more where many are new at a
 * time. Never leaves anybody out. Costs one comparison per pick, and while somebody is new one look at the clock. The
 * `weight` of a picked instance is that of the moment. Throws BAD_INPUT for options outside of their ranges.
 */
export function slowStart({ windowMs = 30_000, minShare = 0.1 }: SlowStartOptions, policy: Policy): Policy {
  checkNumbers({
    windowMs: { value: windowMs, min: 1, max: 3_600_000 },
    minShare: { value: minShare, min: 0.001, max: 1 },
  });
  const rules = { windowMs, minShare, policy };
  return {
    leftOut: (candidates) => leftOutBy(policy, candidates),
    build(candidates, previous, context) {
      const former = previous instanceof SlowStart ? previous : undefined;
      return new SlowStart(candidates, former, rules, context);
    },
  };
}
