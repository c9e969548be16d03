// @ts-check
// A caller: a steady stream of requests, each to an endpoint that the resolver picks. A request that an endpoint does
// not answer goes to another one, as any caller of an idempotent operation may do.
//
//   node examples/caller.mjs
//
// Environment, with defaults: PILOTFISH_REGISTRY (local:), SERVICE (orders), PER_SECOND (20), TRIES (3).
import { connect } from 'pilotfish';

const { PILOTFISH_REGISTRY = 'local:', SERVICE = 'orders', PER_SECOND = '20', TRIES = '3' } = process.env;

const discovery = await connect(PILOTFISH_REGISTRY.split(/\s+/));
const service = discovery.service(SERVICE);
const totals = { answered: 0, failed: 0, triedAgain: 0 };

/** An endpoint that this request has not tried yet, if there is one. */
function pickOther(/** @type {Set<string>} */ tried) {
  let pick = service.tryPick();
  for (let left = service.snapshot?.instances.length ?? 0; left > 0; left--) {
    if (pick === undefined || !tried.has(pick.instance.id)) return pick;
    pick.done('cancelled');
    pick = service.tryPick();
  }
  return pick;
}

/** True when the endpoint answered. */
async function isAnswered(/** @type {import('pilotfish').Pick} */ pick) {
  const { host, port } = pick.endpoint;
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  try {
    const reply = await fetch(`http://${authority}/`, { signal: AbortSignal.timeout(1000) });
    await reply.arrayBuffer();
    pick.done(reply.status < 500 ? 'ok' : 'error');
    return reply.status < 500;
  } catch {
    pick.done('error');
    return false;
  }
}

async function call() {
  const tried = new Set();
  for (let attempt = 1; attempt <= Number(TRIES); attempt++) {
    const pick = pickOther(tried);
    if (pick === undefined) break;
    if (attempt > 1) totals.triedAgain++;
    if (await isAnswered(pick)) return totals.answered++;
    tried.add(pick.instance.id);
  }
  return totals.failed++;
}

function report() {
  const { answered, failed, triedAgain } = totals;
  const list = `${service.snapshot?.instances.length ?? 0} endpoints, ${service.state}`;
  console.log(`${answered} answered, ${failed} failed, ${triedAgain} tried again; ${list}`);
}

service.onChange(({ added, removed }) => {
  for (const { id } of added) console.log(`+ ${id}`);
  for (const { id } of removed) console.log(`- ${id}`);
});

await service.ready({ timeoutMs: 30_000 });
const timers = [setInterval(call, 1000 / Number(PER_SECOND)), setInterval(report, 1000)];

async function stop() {
  for (const timer of timers) clearInterval(timer);
  report();
  await discovery.close();
}
process.once('SIGTERM', stop).once('SIGINT', stop);
