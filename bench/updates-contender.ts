/** One contender of `updates.ts` in its own process, where nothing else shapes how its code is compiled. */
import { serveRounds } from './harness.js';
import { openBalanced } from './updates-balanced.js';
import { burstRound } from './updates-burst.js';
import { changeRound } from './updates-change.js';
import type {
  BurstRound,
  ChangeRound,
  MemoryRound,
  UpdatesContender,
  UpdatesExperiment,
} from './updates-experiments.js';
import { memoryRound } from './updates-memory.js';

const [contender, experiment, size] = process.argv.slice(2) as [UpdatesContender, UpdatesExperiment, string];

if (experiment === 'memory') {
  serveRounds<MemoryRound>(() => memoryRound(contender, Number(size)));
} else {
  const balanced = await openBalanced(contender, Number(size));
  const run = experiment === 'change' ? changeRound : burstRound;
  serveRounds<ChangeRound | BurstRound>(() => run(balanced));
}
