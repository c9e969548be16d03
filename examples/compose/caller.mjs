// The caller of docker-compose.yml: steady requests, each to an endpoint that the resolver picks. It prints who joined
// and who left, and its totals every 5 s; /metrics and /healthz are for Prometheus and the container engine.
//
// Environment: PILOTFISH_REGISTRY (URLs apart by spaces), SERVICE (default web), PER_SECOND (default 50), PORT
// (default 9464).
import { createServer } from 'node:http';
import { connect } from 'pilotfish';
import { instrument } from 'pilotfish/metrics';
import { Agent, request } from 'undici';

const { PILOTFISH_REGISTRY = 'local:', SERVICE = 'web', PER_SECOND = '50', PORT = '9464' } = process.env;
const TRIES = 3;

const discovery = await connect(PILOTFISH_REGISTRY.split(/\s+/));
const service = discovery.service(SERVICE);
const register = instrument(discovery);
const dispatcher = new Agent({ connect: { timeout: 500 }, headersTimeout: 1_000, bodyTimeout: 1_000 });

const totals = { requests: 0, failed: 0, retried: 0 };
/** @type {Map<string, number>} */
const answers = new Map();

service.onChange(({ added, removed }) => {
  for (const { id, endpoint } of added) console.log(`+ ${id} at ${endpoint.host}:${endpoint.port}`);
  for (const { id } of removed) console.log(`- ${id}`);
});

/** A request that a dying endpoint drops goes to the next one, as any caller of an idempotent operation may do. */
async function call() {
  totals.requests++;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    if (await isAnswered()) return;
    if (attempt < TRIES) totals.retried++;
  }
  totals.failed++;
}

async function isAnswered() {
  const pick = service.tryPick();
  if (pick === undefined) return false;
  const { host, port } = pick.endpoint;
  try {
    const { statusCode, body } = await request(`http://${host}:${port}/`, { dispatcher });
    await body.dump();
    pick.done(statusCode < 500 ? 'ok' : 'error');
    if (statusCode < 500) answers.set(pick.instance.id, (answers.get(pick.instance.id) ?? 0) + 1);
    return statusCode < 500;
  } catch {
    pick.done('error');
    return false;
  }
}

function printTotals() {
  const { requests, failed, retried } = totals;
  const shares = [...answers].map(([id, count]) => `${id} ${count}`).sort();
  console.log(`${requests} requests, ${failed} failed, ${retried} retried; ${shares.join(', ')}`);
}

const server = createServer(async ({ url }, response) => {
  const isMetrics = url === '/metrics';
  if (!isMetrics && url !== '/healthz') response.statusCode = 404;
  if (isMetrics) response.setHeader('content-type', register.contentType);
  response.end(isMetrics ? await register.metrics() : undefined);
}).listen(Number(PORT));

/** @type {NodeJS.Timeout[]} */
const timers = [];
process.once('SIGTERM', async () => {
  for (const timer of timers) clearInterval(timer);
  server.close();
  await Promise.all([dispatcher.close(), discovery.close()]);
  printTotals();
  process.exit();
});

await service.ready({ timeoutMs: 60_000 }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
timers.push(setInterval(call, 1000 / Number(PER_SECOND)), setInterval(printTotals, 5_000));
