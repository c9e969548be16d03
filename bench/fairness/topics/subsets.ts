/** A few endpoints for each caller, and what becomes of them when the list changes. */
import type { Contender, Member } from '../contender.js';
import { SUBSET, SUBSET_SIZE } from '../contenders.js';
import { members } from '../members.js';
import { onStage, type Stage } from '../stage.js';
import { type Topic, times } from '../topic.js';

const LIST = members(100);

/** How many of its endpoints a caller changes on average, when one after the other is the only one that leaves or joins. */
function replaced(contender: Contender, changed: (n: number) => readonly Member[]): Promise<string> {
  return onStage(contender, { behaviourOf: () => ({ latencyMs: 1 }) }, (stage) => {
    stage.list(LIST);
    const before = used(stage);
    const counts = LIST.map((_, n) => {
      stage.list(changed(n));
      const after = used(stage);
      return [...before].filter((id) => !after.has(id)).length;
    });
    return times(counts.reduce((sum, count) => sum + count, 0) / counts.length);
  });
}

function used({ callers: [caller] }: Stage): ReadonlySet<string> {
  const picks = Array.from({ length: LIST.length }, () => caller?.pick()?.instance.id ?? '');
  return new Set(picks);
}

export const SUBSETS: Topic = {
  heading: 'Subsets',
  text: `
A caller that uses ${SUBSET_SIZE} of ${LIST.length} endpoints: how many of them it changes on average when one of the ${LIST.length} leaves, and when another
joins (T28). No scheme can do with less than 0.32 when one leaves, the chance that it is one of its own. The other libraries have no
subsets: a caller of theirs uses all ${LIST.length}.`,
  contenders: [SUBSET],
  experiments: [
    { title: 'one leaves', run: (contender) => replaced(contender, (n) => LIST.filter((_, at) => at !== n)) },
    { title: 'one joins', run: (contender) => replaced(contender, (n) => [...LIST, { id: `new-${n}` }]) },
  ],
};
