/** The load while a fleet is replaced by a new version. */
import { busiestOf, rollingDeploy } from '../../../test/simulator/rolling-deploy.js';
import type { Contender } from '../contender.js';
import { WITH_SLOW_START } from '../contenders.js';
import { onStage } from '../stage.js';
import { type Topic, times } from '../topic.js';

const CALLERS = 10;
const PER_SECOND = 2000;
const FLEET = { instances: 20, atOnce: 4, calmS: 2, surge: false };
const behaviourOf = () => ({ latencyMs: 10 });

function busiest(contender: Contender): Promise<string> {
  const lists = rollingDeploy(FLEET);
  return onStage(contender, { behaviourOf, callers: CALLERS }, async (stage) => {
    const beforeSecond = (second: number): void => stage.list(lists[second] ?? []);
    beforeSecond(0);
    await stage.warmUp(PER_SECOND);
    const seconds = await stage.play({ perSecond: PER_SECOND, seconds: lists.length, beforeSecond });
    return times(Math.max(...busiestOf(seconds, lists)));
  });
}

export const DEPLOY: Topic = {
  heading: 'A rolling deploy',
  text: `
Twenty instances are replaced, four at a time: they leave, and two seconds later four new ones join; every five seconds.
${PER_SECOND.toLocaleString('en')} requests a second come from ${CALLERS} callers. The load of the busiest instance in the worst second of all, as a multiple of an even share
among those that are there in that second; chance alone makes 1.2 to 1.4 of it.`,
  contenders: WITH_SLOW_START,
  experiments: [{ title: 'busiest, at worst', run: busiest }],
};
