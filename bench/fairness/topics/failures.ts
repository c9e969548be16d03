/** One endpoint of five that is of no use, and who gets its requests. */
import { type Second, shareOf } from '../../../test/simulator/simulated-cluster.js';
import type { Contender } from '../contender.js';
import { ALL } from '../contenders.js';
import { busiest, idsOf, members, picksOf } from '../members.js';
import type { Behaviour } from '../servers.js';
import { NOBODY, onStage } from '../stage.js';
import { percent, type Topic, times } from '../topic.js';

const FIVE = members(5);
const SIX = members(6);
const BAD = 'i01';
const OTHERS = idsOf(FIVE).filter((id) => id !== BAD);
const PER_SECOND = 200;

const oneIsDead = (id: string): Behaviour => ({ latencyMs: 10, isDead: id === BAD });
const oneHangs = (id: string): Behaviour => ({ latencyMs: id === BAD ? undefined : 10 });

async function dead(contender: Contender, isProtected: boolean): Promise<string> {
  return onStage(contender, { behaviourOf: oneIsDead, isProtected }, async (stage) => {
    stage.list(FIVE);
    return figures(await stage.play({ perSecond: PER_SECOND, seconds: 30 }));
  });
}

function figures(seconds: readonly Second[]): string {
  const lost = shareOf(NOBODY, seconds);
  const text = `${percent(shareOf(BAD, seconds))}, ${times(busiest(picksOf(OTHERS, seconds)))}`;
  return lost === 0 ? text : `${text}; ${percent(lost)} find none`;
}

async function deadLeftOut(contender: Contender): Promise<string | undefined> {
  return contender.knows.protection === true ? dead(contender, true) : undefined;
}

/** What the dead one gets in the second in which a sixth endpoint has joined. */
async function anotherJoins(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf: oneIsDead, isProtected: true }, async (stage) => {
    stage.list(FIVE);
    await stage.play({ perSecond: PER_SECOND, seconds: 20 });
    stage.list(SIX);
    return percent(shareOf(BAD, await stage.play({ perSecond: PER_SECOND, seconds: 1 })));
  });
}

async function hanging(contender: Contender): Promise<string> {
  return onStage(contender, { behaviourOf: oneHangs }, async (stage) => {
    stage.list(FIVE);
    return percent(shareOf(BAD, await stage.play({ perSecond: PER_SECOND, seconds: 22 }), 2));
  });
}

export const FAILURES: Topic = {
  heading: 'An endpoint that is of no use',
  text: `
Five endpoints, the second of which is bad from the start and stays on the list, at ${PER_SECOND} requests a second for 30 seconds.

- *Dead*: it refuses every connection at once. Its share of the requests, and the busiest of the others as a multiple of an even share
  among them (T4). Nothing else leaves it out here; in grpc-js its connection does, since only connected endpoints are picked.
- *Dead, left out*: the same with \`ejection: true\`, which \`pick()\` has on request only, and with the circuit breaker of moleculer,
  which is off by default. *Find none*: requests that fail because the one that the key belongs to is left out (T11).
- *Another joins*: with all of this, the share of the dead one in the second after a sixth endpoint has joined (T7).
- *Hangs*: it accepts everything and never answers, and nothing leaves it out. Its share after two seconds.`,
  contenders: ALL,
  experiments: [
    { title: 'dead', run: (contender) => dead(contender, false) },
    { title: 'dead, left out', run: deadLeftOut },
    { title: 'another joins', run: anotherJoins },
    { title: 'hangs', run: hanging },
  ],
};
