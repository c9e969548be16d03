/** Two endpoints, one of which is slower: a little, which should mean little, and much, which should mean much. */
import { shareOf } from '../../../test/simulator/simulated-cluster.js';
import type { Contender } from '../contender.js';
import { ALL } from '../contenders.js';
import { onStage } from '../stage.js';
import { percent, type Topic } from '../topic.js';

const FAST_MS = 5;

interface Case {
  readonly slowMs: number;
  readonly perSecond: number;
  readonly seconds: number;
}

const CASES: readonly Case[] = [
  { slowMs: 6, perSecond: 20, seconds: 60 },
  { slowMs: 6, perSecond: 200, seconds: 20 },
  { slowMs: 6, perSecond: 2000, seconds: 20 },
  { slowMs: 50, perSecond: 200, seconds: 20 },
];

function shareOfSlower(contender: Contender, { slowMs, perSecond, seconds }: Case): Promise<string> {
  const behaviourOf = (id: string) => ({ latencyMs: id === 'slow' ? slowMs : FAST_MS });
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list([{ id: 'fast' }, { id: 'slow' }]);
    await stage.warmUp(perSecond);
    return percent(shareOf('slow', await stage.play({ perSecond, seconds })));
  });
}

export const SPEEDS: Topic = {
  heading: 'A slower endpoint',
  text: `
Two endpoints, of which one answers in ${FAST_MS} ms and the other in 6 or in 50: the share of the slower one (T8). In proportion to the speeds it
would have 45 % and 9 %. To leave out one of two that are nearly alike is to double the load of the other.`,
  contenders: ALL,
  experiments: CASES.map((each) => ({
    title: `${each.slowMs} ms at ${each.perSecond}/s`,
    run: (contender) => shareOfSlower(contender, each),
  })),
};
