/** Our own ZooKeeper client on each Node that is supported, against the real server. All of both contracts: `test:nodes`. */
import { randomUUID } from 'node:crypto';
import { sharedServer } from '../servers/index.js';
import { testOnEachNode } from './on-each-node.js';

await testOnEachNode(new URL('./zookeeper-checks.mjs', import.meta.url), {
  args: async () => [`zookeeper://${sharedServer('zookeeper')}/nodes-${randomUUID()}`],
});
