/** An endpoint that joins others: the requests of its first second, and the keys that it takes over. */
import type { Contender } from '../contender.js';
import { WITH_SLOW_START } from '../contenders.js';
import { idsOf, members, picksOf } from '../members.js';
import { onStage, type Stage } from '../stage.js';
import { percent, type Topic, times } from '../topic.js';

const OLD = members(9);
const NEW = 'new';
const PER_SECOND = 1000;
const KEYS = 20_000;

function firstSecond(contender: Contender, newLatencyMs: number | undefined): Promise<string> {
  const behaviourOf = (id: string) => ({ latencyMs: id === NEW ? newLatencyMs : 40 });
  return onStage(contender, { behaviourOf }, async (stage) => {
    stage.list(OLD);
    await stage.warmUp(PER_SECOND);
    stage.list([...OLD, { id: NEW }]);
    const second = await stage.play({ perSecond: PER_SECOND, seconds: 1 });
    const [joined = 0, ...others] = picksOf([NEW, ...idsOf(OLD)], second);
    return times((joined * others.length) / others.reduce((sum, count) => sum + count, 0));
  });
}

async function keysMoved(contender: Contender, count: number): Promise<string | undefined> {
  if (contender.knows.keys === undefined) return undefined;
  return onStage(contender, { behaviourOf: () => ({ latencyMs: 10 }) }, (stage) => {
    stage.list(members(count));
    const before = homes(stage);
    stage.list(members(count + 1));
    const after = homes(stage);
    return percent(before.filter((id, at) => id !== after[at]).length / KEYS);
  });
}

/** Where each key goes while nothing else is in flight. */
function homes({ callers: [caller] }: Stage): readonly (string | undefined)[] {
  return Array.from({ length: KEYS }, (_, n) => {
    const pick = caller?.pick({ key: `session-${n}` });
    pick?.done('ok');
    return pick?.instance.id;
  });
}

export const JOINS: Topic = {
  heading: 'An endpoint that joins',
  text: `
- *First second*: a tenth endpoint joins nine that answer in 40 ms, at 1,000 requests a second. Its picks in its first second, as a
  multiple of the mean of the others: when it answers as they do, and when it hangs (T9). Chance alone makes 0.8 to 1.2 of 1.00.
- *Keys*: of ${KEYS.toLocaleString('en')} keys those that go elsewhere after one endpoint has joined; in brackets those that have to (T11).`,
  contenders: WITH_SLOW_START,
  experiments: [
    { title: 'first second', run: (contender) => firstSecond(contender, 40) },
    { title: 'the same, hanging', run: (contender) => firstSecond(contender, undefined) },
    ...[3, 10, 20].map((count) => ({
      title: `keys, ${count} to ${count + 1} (${percent(1 / (count + 1))})`,
      run: (contender: Contender) => keysMoved(contender, count),
    })),
  ],
};
