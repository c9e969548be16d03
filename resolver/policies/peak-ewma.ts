/**
 * Peak EWMA: of two endpoints drawn by weight, the one that answers faster for what it has in flight. The latency of
 * each is a moving average that follows a rise at once and a fall slowly (Finagle's PeakEwma, with two
 * choices as in Mitzenmacher 2001). Three of its known weaknesses are dealt with:
 *
 * - What an endpoint was measured at fades toward the mean of the cluster, not toward 0: who rests long does not look
 *   fastest, and who was slow once is tried again.
 * - A failure counts as a slow answer and never improves a score, so failing fast attracts nothing.
 * - A share of the picks goes by weight alone, so nobody is starved; and a difference in score below a fifth decides
 *   nothing, so 5 ms beside 6 ms does not take nearly all requests.
 */
import type { Instance } from '../../registry/contract.js';
import type { Clock } from '../../runtime/clock.js';
import { fraction, type Random } from '../../runtime/random.js';
import { checkNumbers } from '../check-numbers.js';
import type { Pick, Picker, PickerDescription, Policy, PolicyContext } from '../policy.js';
import { describedLoads } from './described.js';
import type { EndpointStates } from './endpoint-states.js';
import { AnsweringLoad, ClusterLatency, type LatencyRules, TimedPick } from './latency.js';
import { loadsOf } from './load.js';
import { TwoDraws } from './two-draws.js';

export interface PeakEwmaOptions {
  /** After this time a measurement counts 1 / e of what it did, in milliseconds. Default 10000. */
  readonly tauMs?: number;
  /** The latency that a failure counts as, in milliseconds, where it did not take longer. Default 5000. */
  readonly penaltyMs?: number;
  /** Share of the picks that go by weight alone, 0 to 1, so that nobody is forgotten. Each of n equal endpoints has a part of
   * 1 / n of it, however slow it is. Default 0.01. */
  readonly floorShare?: number;
}

/** A second endpoint wins only with a score below this share of the first one's. */
const CLEARLY_BETTER = 0.8;

export class PeakEwma implements Picker {
  readonly states: EndpointStates<AnsweringLoad>;
  readonly cluster: ClusterLatency;
  readonly #loads: readonly AnsweringLoad[];
  readonly #draws: TwoDraws;
  readonly #floorShare: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(
    states: EndpointStates<AnsweringLoad>,
    cluster: ClusterLatency,
    floorShare: number,
    { clock, random }: PolicyContext,
  ) {
    this.states = states;
    this.cluster = cluster;
    this.#loads = states.current;
    this.#draws = new TwoDraws(states.current);
    this.#floorShare = floorShare;
    this.#clock = clock;
    this.#random = random;
  }

  pick(): Pick {
    const nowMs = this.#clock.now();
    return new TimedPick(this.#choose(nowMs), nowMs);
  }

  describe(): PickerDescription {
    const nowMs = this.#clock.now();
    const rule = 'of two by chance, by weight, the one with the clearly lower score';
    return describedLoads('peak-ewma', rule, this.#loads, (load) => ({
      latencyMs: load.latencyMs(nowMs),
      score: load.score(nowMs),
    }));
  }

  #choose(nowMs: number): AnsweringLoad {
    const loads = this.#loads;
    if (loads.length === 1) return loads[0] as AnsweringLoad;
    const place = this.#draws.place(this.#random);
    const first = this.#draws.first(place);
    const one = loads[first] as AnsweringLoad;
    if (fraction(this.#random) < this.#floorShare) return one;
    const other = loads[this.#draws.second(place, first, this.#random)] as AnsweringLoad;
    if (other.isOnTrial) return one;
    return one.isOnTrial || other.score(nowMs) < CLEARLY_BETTER * one.score(nowMs) ? other : one;
  }
}

/**
 * O(1), one small object per pick. `done` must be called for every pick: with a latency to the first byte, or the time
 * since the pick is taken for it. Requests that are slow on purpose, such as long polls, should not be reported `ok`
 * with that time. Suits many requests at a time; at a few per second `leastLoaded` spreads better.
 *
 * Throws BAD_INPUT for options outside of their ranges.
 */
export function peakEwma(options: PeakEwmaOptions = {}): Policy {
  const { tauMs = 10_000, penaltyMs = 5000, floorShare = 0.01 } = options;
  checkNumbers({
    tauMs: { value: tauMs, min: 1, max: 3_600_000 },
    penaltyMs: { value: penaltyMs, min: 0, max: 3_600_000 },
    floorShare: { value: floorShare, min: 0, max: 1 },
  });
  const rules: LatencyRules = { tauMs, penaltyMs };
  return {
    build(candidates, previous, context) {
      const former = previous instanceof PeakEwma ? previous : undefined;
      const cluster = former?.cluster ?? new ClusterLatency(rules, context.clock);
      const states = answeringLoads(candidates, former, cluster, context.clock.now());
      return new PeakEwma(states, cluster, floorShare, context);
    },
  };
}

/** Newcomers begin with the median of those that are known, so they look neither idle nor slow. */
function answeringLoads(
  candidates: readonly Instance[],
  former: PeakEwma | undefined,
  cluster: ClusterLatency,
  nowMs: number,
): EndpointStates<AnsweringLoad> {
  let seed: { readonly ms: number | undefined } | undefined;
  const create = (instance: Instance): AnsweringLoad => {
    seed ??= { ms: former && medianOf(former.states.current, nowMs) };
    return new AnsweringLoad(instance, former === undefined, cluster, seed.ms);
  };
  return loadsOf(candidates, former?.states, nowMs, create);
}

/** That of so many is near enough to that of all. */
const SAMPLE = 255;

/** Undefined when nobody has answered yet. */
function medianOf(loads: readonly AnsweringLoad[], nowMs: number): number | undefined {
  const known = loads.filter(({ isMeasured }) => isMeasured);
  const step = Math.ceil(known.length / SAMPLE);
  const sample = known.filter((_, at) => at % step === 0).map((load) => load.latencyMs(nowMs));
  return sample.sort((a, b) => a - b)[sample.length >> 1];
}
