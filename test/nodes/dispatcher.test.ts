/** The dispatcher and the agents on each Node that is supported: what they are handed there differs from line to line. */
import { testOnEachNode } from './on-each-node.js';

await testOnEachNode(new URL('./dispatcher-checks.mjs', import.meta.url));
