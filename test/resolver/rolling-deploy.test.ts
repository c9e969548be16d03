/** How evenly the load is spread while a fleet is replaced: by ten callers, each with a picker of its own. */
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import {
  consistentHash,
  leastLoaded,
  type Picker,
  type Policy,
  peakEwma,
  random,
  roundRobin,
  seededRandom,
  slowStart,
  sticky,
} from '../../resolver/index.js';
import { eligible } from '../../resolver/policies/weights.js';
import { below } from '../../runtime/random.js';
import { HandClock } from '../simulator/hand-clock.js';
import {
  busiestOf,
  type Deploy,
  type DeployedInstance,
  rollingDeploy,
  type Timeline,
} from '../simulator/rolling-deploy.js';
import { type Second, simulate } from '../simulator/simulated-cluster.js';
import { Chain, described } from './picking.js';

const POLICIES: readonly (readonly [string, () => Policy])[] = [
  ['roundRobin', roundRobin],
  ['random', random],
  ['leastLoaded', leastLoaded],
  ['peakEwma', peakEwma],
  ['consistentHash', consistentHash],
  ['sticky', sticky],
  ['slowStart round roundRobin', () => slowStart({}, roundRobin())],
  ['slowStart round leastLoaded', () => slowStart({}, leastLoaded())],
  ['slowStart round consistentHash', () => slowStart({}, consistentHash())],
];

const CALLERS = 10;
const PER_SECOND = 2000;

interface Spread {
  /** Of each second, the load of the busiest instance as a multiple of an even share. */
  readonly busiest: readonly number[];
  /** Picks of instances that were about to leave. */
  readonly late: number;
}

function deploy(policy: Policy, plan: Deploy): Spread {
  const lists = rollingDeploy(plan);
  const random = seededRandom(5);
  const clock = new HandClock();
  const callers = Array.from({ length: CALLERS }, (_, n) => new Chain(policy, n * 7919 + 1, clock));
  const seconds = simulate({
    picker: () => callers[below(random, CALLERS)]?.picker as Picker,
    clock,
    perSecond: PER_SECOND,
    seconds: lists.length,
    answer: () => ({ latencyMs: 10 }),
    request: () => ({ key: below(random, 10_000) }),
    before: (ms) => {
      if (ms % 1000 !== 0) return;
      const candidates = eligible((lists[ms / 1000] ?? []).map(instanceOf));
      for (const caller of callers) caller.list(candidates);
    },
  });
  return { busiest: busiestOf(seconds, lists), late: lateOf(seconds, lists) };
}

function instanceOf({ id, isLeaving }: DeployedInstance): Instance {
  return described(id, { status: isLeaving ? 'draining' : 'passing' });
}

function lateOf(seconds: readonly Second[], lists: Timeline): number {
  return seconds
    .flatMap((second, at) => lists[at]?.filter(({ isLeaving }) => isLeaving).map(({ id }) => second[id] ?? 0))
    .reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

describe.each(POLICIES)('%s', (_name, policy) => {
  test.each([
    { atOnce: 4, surge: false },
    { atOnce: 4, surge: true },
    { atOnce: 7, surge: false },
  ])(
    'gives nobody more than twice its share at any time of a deploy, $atOnce at once, the new ones first: $surge',
    ({ atOnce, surge }) => {
      const { busiest, late } = deploy(policy(), { instances: 20, atOnce, calmS: 5, surge });
      expect(Math.max(...busiest)).toBeLessThanOrEqual(2);
      expect(late).toBe(0);
    },
  );
});
