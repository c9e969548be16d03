/** Endpoints of different weights: named by the list, or found out from what the servers report of their load. */
import { shareOf } from '../../../test/simulator/simulated-cluster.js';
import type { Contender, Member } from '../contender.js';
import { ALL } from '../contenders.js';
import type { Behaviour } from '../servers.js';
import { type Load, onStage, type Stage } from '../stage.js';
import { percent, type Topic } from '../topic.js';

const LOAD: Load = { perSecond: 1000, seconds: 20 };
/** As long as a cycle. */
const IN_A_ROW = 6;

const FIVE_TO_ONE: readonly Member[] = [
  { id: 'heavy', weight: 5 },
  { id: 'light', weight: 1 },
];
const ONE_UNKNOWN: readonly Member[] = [
  { id: 'a', weight: 100 },
  { id: 'b', weight: 100 },
  { id: 'unknown' },
];
const ONE_ZERO: readonly Member[] = [{ id: 'a' }, { id: 'b' }, { id: 'zero', weight: 0 }];

/** The same strengths for those who hear of them from the servers only. */
function behaviourOf(id: string): Behaviour {
  return { latencyMs: 10, workMs: id === 'light' ? 1 : 0.2, isSilent: id === 'unknown' };
}

/** The share of the last of the list. */
async function shareOfLast(contender: Contender, list: readonly Member[]): Promise<string | undefined> {
  return weighed(contender, list, async (stage) => {
    return percent(shareOf(list.at(-1)?.id ?? '', await stage.play(LOAD)));
  });
}

/** The share of the light one in the seconds after the list was sent once more. */
async function lightSentAgain(contender: Contender): Promise<string | undefined> {
  return weighed(contender, FIVE_TO_ONE, async (stage) => {
    stage.list(FIVE_TO_ONE);
    return percent(shareOf('light', await stage.play({ ...LOAD, seconds: 5 })));
  });
}

/** The fewest and the most picks of the light one in any stretch that is as long as a cycle. */
async function lightInARow(contender: Contender): Promise<string | undefined> {
  return weighed(contender, FIVE_TO_ONE, async (stage) => {
    const isLight: number[] = [];
    await stage.play({ ...LOAD, picked: (id) => isLight.push(id === 'light' ? 1 : 0) });
    const counts = isLight
      .slice(IN_A_ROW)
      .map((_, at) => isLight.slice(at, at + IN_A_ROW).reduce((sum, one) => sum + one, 0));
    return `${Math.min(...counts)} to ${Math.max(...counts)}`;
  });
}

async function weighed(
  contender: Contender,
  list: readonly Member[],
  work: (stage: Stage) => Promise<string>,
): Promise<string | undefined> {
  if (contender.knows.weights === undefined) return undefined;
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list(list);
    await stage.warmUp(LOAD.perSecond);
    return work(stage);
  });
}

async function shareOfZero(contender: Contender): Promise<string | undefined> {
  return contender.knows.weights === 'list' ? shareOfLast(contender, ONE_ZERO) : undefined;
}

export const WEIGHTS: Topic = {
  heading: 'Weights',
  text: `
1,000 requests a second. pilotfish takes weights from the list. \`weighted_round_robin\` of grpc-js takes them from the load that servers
report with their answers, which here is such that the same weights come out. The others know no weights, and a report
of 0 is no report.

- *5:1*: the share of the light one of two. 16.7 % is right.
- *Any ${IN_A_ROW}*: how many picks the light one has in any ${IN_A_ROW} in a row. 1 to 1 is a weight that holds in every cycle (T29).
- *Sent again*: its share in the five seconds after the same list came once more (T7).
- *Unknown*: the share of one for which the list names no weight, or whose server reports nothing, beside two of 100 (T6). No weight is
  a weight of 1 to pilotfish: 0.5 % is right.
- *0*: the share of one of weight 0 beside two of 1.`,
  contenders: ALL,
  experiments: [
    { title: '5:1', run: (contender) => shareOfLast(contender, FIVE_TO_ONE) },
    { title: `5:1, any ${IN_A_ROW}`, run: lightInARow },
    { title: '5:1, sent again', run: lightSentAgain },
    { title: '100, 100, unknown', run: (contender) => shareOfLast(contender, ONE_UNKNOWN) },
    { title: '1, 1, 0', run: shareOfZero },
  ],
};
