/** Everything that is published, in its order. */
import { progress } from '../progress.js';
import { VERSIONS } from './contenders.js';
import { type Topic, tableOf } from './topic.js';
import { DEPLOY } from './topics/deploy.js';
import { FAILURES } from './topics/failures.js';
import { JOINS } from './topics/joins.js';
import { LISTS } from './topics/lists.js';
import { SPEEDS } from './topics/speeds.js';
import { SUBSETS } from './topics/subsets.js';
import { WEIGHTS } from './topics/weights.js';

const TOPICS: readonly Topic[] = [LISTS, WEIGHTS, FAILURES, SPEEDS, JOINS, SUBSETS, DEPLOY];

export async function allTables(): Promise<string> {
  const sections = [`pilotfish beside ${VERSIONS.join(', ')}.\n`];
  for (const topic of TOPICS) {
    progress(`playing: ${topic.heading}`);
    sections.push(await tableOf(topic));
  }
  return sections.join('\n');
}
