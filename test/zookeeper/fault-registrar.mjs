// Announcers in a process of their own, one per lane: what the sidecar does, without its probes. A message
// `{ lane, registry, instance }` registers, `{ lane }` withdraws; each is answered with `{ lane }` once that is settled.
import { openWritable } from '../../dist/registry/index.js';
import { systemClock } from '../../dist/runtime/clock.js';
import { silentLogger } from '../../dist/runtime/logger.js';
import { systemRandom } from '../../dist/runtime/random.js';
import { Announcer } from '../../dist/sidecar/announcer.js';

const LIMIT_MS = 20_000;
const context = { clock: systemClock, random: systemRandom(), logger: silentLogger };
/** @type {Map<number, { registry: import('../../registry/contract.js').Registry, announcer: Announcer }>} */
const lanes = new Map();

process.on('disconnect', () => process.exit());
process.on('message', (/** @type {{ lane: number, registry?: string, instance: any }} */ message) => {
  const { lane, registry, instance } = message;
  const done = registry === undefined ? withdraw(lane) : register(lane, registry, instance);
  void done.then(
    () => process.send?.({ lane }),
    (error) => process.send?.({ lane, error: String(error) }),
  );
});
process.send?.('ready');

async function register(/** @type {number} */ lane, /** @type {string} */ url, /** @type {any} */ instance) {
  const registry = await openWritable(url, context);
  const announcer = new Announcer(registry, instance.service, context);
  lanes.set(lane, { registry, announcer });
  announcer.announce(instance, 'a test');
  await announcer.untilSettled(AbortSignal.timeout(LIMIT_MS));
}

async function withdraw(/** @type {number} */ lane) {
  const held = lanes.get(lane);
  lanes.delete(lane);
  held?.announcer.announce(undefined, 'a test');
  await held?.announcer.untilSettled(AbortSignal.timeout(LIMIT_MS));
  await held?.announcer.close();
  await held?.registry.close();
}
