/** One contender of `zookeeper-lists.ts` in its own process. */
import type { Follow } from './following.js';
import { serveListRounds } from './list-rounds.js';
import { openJsPackage } from './zk-package-js.js';
import { openNativePackage } from './zk-package-native.js';
import { openInstanceWriter } from './zookeeper-entries.js';
import type { Lister } from './zookeeper-experiments.js';
import { follow, followByTree, followTheRoot, readOnce, readOnceByChunks } from './zookeeper-follow.js';
import { startCountingProxy } from './zookeeper-wire.js';

const SETTLE_MS = 20;

const [contender, address, service, instances] = process.argv.slice(2) as [Lister, string, string, string];

const FIRST_LIST: Readonly<Record<Lister, Follow>> = {
  zookeeper: readOnce(openNativePackage),
  'node-zookeeper-client': readOnce(openJsPackage),
  'pilotfish client': readOnceByChunks,
  pilotfish: followTheRoot,
};
const FOLLOW: Readonly<Record<Lister, Follow>> = {
  zookeeper: follow(openNativePackage),
  'node-zookeeper-client': follow(openJsPackage),
  'pilotfish client': followByTree,
  pilotfish: followTheRoot,
};

serveListRounds({
  address,
  service,
  instances: Number(instances),
  readFirst: FIRST_LIST[contender],
  follow: FOLLOW[contender],
  openWriter: openInstanceWriter,
  weightAfter: { create: 1, set: 2, delete: undefined },
  startProxy: startCountingProxy,
  settleMs: SETTLE_MS,
});
