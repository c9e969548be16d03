/** Five equal endpoints, on a list that stays and on lists that do not. */
import { below } from '../../../runtime/random.js';
import { randomFor } from '../chance.js';
import type { Contender } from '../contender.js';
import { ALL } from '../contenders.js';
import { busiest, idsOf, members, picksOf } from '../members.js';
import { type Load, onStage } from '../stage.js';
import { type Topic, times } from '../topic.js';

const FIVE = members(5);
const SIX = members(6);
const LOAD: Load = { perSecond: 1000, seconds: 10 };
const EVERY = 7;
const CALLERS = 100;

/** So quick that hardly two requests are under way together: whoever comes back is no idler than the others. */
const behaviourOf = () => ({ latencyMs: 1, workMs: 1 });

function stays(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list(FIVE);
    await stage.warmUp(LOAD.perSecond);
    return times(busiest(picksOf(idsOf(FIVE), await stage.play(LOAD))));
  });
}

function sentAgain(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list(FIVE);
    await stage.warmUp(LOAD.perSecond);
    const beforeRequest = (count: number): void => {
      if (count % EVERY === 0) stage.list(FIVE);
    };
    return times(busiest(picksOf(idsOf(FIVE), await stage.play({ ...LOAD, beforeRequest }))));
  });
}

/** The busiest of those that stay, and the picks of the sixth as a multiple of what it was due while it was there. */
function sixthFlaps(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list(SIX);
    await stage.warmUp(LOAD.perSecond);
    const random = randomFor('flaps');
    let isThere = true;
    let nextFlap = 0;
    let due = 0;
    const beforeRequest = (count: number): void => {
      if (count === nextFlap) {
        isThere = !isThere;
        nextFlap += 1 + below(random, EVERY);
        stage.list(isThere ? SIX : FIVE);
      }
      if (isThere) due += 1 / SIX.length;
    };
    const picks = picksOf(idsOf(SIX), await stage.play({ ...LOAD, beforeRequest }));
    return `${times(busiest(picks.slice(0, FIVE.length)))}, ${times((picks.at(-1) as number) / due)}`;
  });
}

/** How many callers begin with the same endpoint. */
function alignedStarts(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf, callers: CALLERS }, (stage) => {
    stage.list(FIVE);
    const firsts = new Map<string | undefined, number>();
    for (const [n, caller] of stage.callers.entries()) {
      const id = caller.pick({ key: `key-${n}` })?.instance.id;
      firsts.set(id, (firsts.get(id) ?? 0) + 1);
    }
    return `${Math.max(...firsts.values())}`;
  });
}

export const LISTS: Topic = {
  heading: 'Lists that change',
  text: `
Five equal endpoints and 10,000 requests, 1,000 a second. A figure is the picks of the busiest endpoint as a multiple of an even
share: 1.00 is even, and chance alone makes up to about 1.04 of it, the hashes of the keys a little more.

- *Sent again*: the same list comes once more before every ${EVERY}th request, as when the metadata of somebody changes (T1).
- *A sixth*: it joins at the end of the list for one to ${EVERY} requests, and is away for one to ${EVERY}, by turns (T2). First the busiest of
  the other five, then what the sixth has of its own share.
- *First of ${CALLERS}*: how many of ${CALLERS} callers that start together begin with the same endpoint (T29). 20 is even, and chance makes up
  to about 30 of it.`,
  contenders: ALL,
  experiments: [
    { title: 'stays', run: stays },
    { title: 'sent again', run: sentAgain },
    { title: 'a sixth', run: sixthFlaps },
    { title: `first of ${CALLERS}`, run: alignedStarts },
  ],
};
