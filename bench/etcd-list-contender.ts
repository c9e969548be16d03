/** One contender of `lists.ts` in its own process. */
import { followByWatch, openEtcdWriter, PREFIX, readRange } from './etcd-gateway.js';
import { type Follow, followWithPilotfish } from './following.js';
import { startHttpProxy } from './http-wire.js';
import { serveListRounds } from './list-rounds.js';
import type { EtcdLister } from './lists.js';

const SETTLE_MS = 20;

const [contender, address, service, instances] = process.argv.slice(2) as [
  EtcdLister,
  string,
  string,
  string,
];

const ours = followWithPilotfish((at) => `etcd://${at}/${PREFIX}`);
const FIRST_LIST: Readonly<Record<EtcdLister, Follow>> = { 'bare gateway': readRange, pilotfish: ours };
const FOLLOW: Readonly<Record<EtcdLister, Follow>> = { 'bare gateway': followByWatch, pilotfish: ours };

serveListRounds({
  address,
  service,
  instances: Number(instances),
  readFirst: FIRST_LIST[contender],
  follow: FOLLOW[contender],
  openWriter: openEtcdWriter,
  weightAfter: { put: 1, delete: undefined },
  startProxy: startHttpProxy({
    wordOf: (path) => path.split('/').at(-1) as string,
    eventIn: (line) => (line.includes('"events":') ? 'event' : undefined),
  }),
  settleMs: SETTLE_MS,
});
