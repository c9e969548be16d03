/** pilotfish reading one format of `lists.ts`, in its own process. */
import { followWithPilotfish } from './following.js';
import { type ListedFormat, openFormatWriter, rootOf } from './format-entries.js';
import { serveListRounds } from './list-rounds.js';
import { startCountingProxy } from './zookeeper-wire.js';

const SETTLE_MS = 20;

const [format, address, service, instances] = process.argv.slice(2) as [ListedFormat, string, string, string];

const follow = followWithPilotfish((at) => `zookeeper://${at}${rootOf(format)}?format=${format}`);

serveListRounds({
  address,
  service,
  instances: Number(instances),
  readFirst: follow,
  follow,
  openWriter: (at, name) => openFormatWriter(format, at, name),
  weightAfter: { create: 1, delete: undefined },
  startProxy: startCountingProxy,
  settleMs: SETTLE_MS,
});
