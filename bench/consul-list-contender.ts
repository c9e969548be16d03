/** One contender of `lists.ts` in its own process. */
import { followHealth, openConsulWriter, readHealth } from './consul-http.js';
import { type Follow, followWithPilotfish } from './following.js';
import { startHttpProxy } from './http-wire.js';
import { serveListRounds } from './list-rounds.js';
import type { ConsulLister } from './lists.js';

/** Longer than pilotfish lets pass between two queries, which is for lists that change all the time. */
const SETTLE_MS = 100;

const [contender, address, service, instances] = process.argv.slice(2) as [
  ConsulLister,
  string,
  string,
  string,
];

const GZIP = { 'accept-encoding': 'gzip' };
const ours = followWithPilotfish((at) => `consul://${at}`);
/** As from another host: an address of this one that does not look like it. */
const oursPacked = followWithPilotfish((at) => `consul://${at.replace('127.0.0.1', '0.0.0.0')}`);
const FIRST_LIST: Readonly<Record<ConsulLister, Follow>> = {
  'bare read': readHealth({}),
  'bare read, gzip': readHealth(GZIP),
  pilotfish: ours,
  'pilotfish, gzip': oursPacked,
};
const FOLLOW: Readonly<Record<ConsulLister, Follow>> = {
  'bare read': followHealth({}),
  'bare read, gzip': followHealth(GZIP),
  pilotfish: ours,
  'pilotfish, gzip': oursPacked,
};

serveListRounds({
  address,
  service,
  instances: Number(instances),
  readFirst: FIRST_LIST[contender],
  follow: FOLLOW[contender],
  openWriter: openConsulWriter,
  weightAfter: { register: 1, deregister: undefined },
  startProxy: startHttpProxy({ wordOf: () => 'read' }),
  settleMs: SETTLE_MS,
});
