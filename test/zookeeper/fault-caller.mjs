// A caller in a process of its own, because the native driver can harm its host and a test must be able to freeze it:
// `node fault-caller.mjs REGISTRY SERVICE REQUESTS_PER_SECOND`. Answers each message with a report.
import { Agent, request } from 'undici';
import { connect } from '../../dist/resolver/index.js';
import { systemClock } from '../../dist/runtime/clock.js';

const TICK_MS = 10;
/** The first and one retry on another endpoint. */
const TRIES = 2;

const [registry = '', name = '', perSecond = '0'] = process.argv.slice(2);
const agent = new Agent({ connect: { timeout: 1_000 }, headersTimeout: 2_000 });
const totals = { requests: 0, failed: 0, retried: 0, emptyPicks: 0, regressions: 0 };
/** @type {string[]} */
const unhandled = [];
/** @type {{ at: number, ids: string[] }[]} */
const lists = [];
/** @type {{ at: number, state: string }[]} */
const states = [];

process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
process.on('disconnect', () => process.exit());

const discovery = await connect(registry);
const service = discovery.service(name);
service.onChange(({ snapshot }) => {
  lists.push({ at: systemClock.wallNow(), ids: snapshot.instances.map(({ id }) => id) });
});
await service.ready({ timeoutMs: 20_000 });
setInterval(tick, TICK_MS);
process.on('message', () => process.send?.(report()));
process.send?.('ready');

let revision = 0;
let sent = 0;
let startedAt = systemClock.now();
let tickedAt = startedAt;

function tick() {
  const now = systemClock.now();
  // What was due while this process stood still is not made up for.
  if (now - tickedAt > 1_000) startedAt += now - tickedAt;
  tickedAt = now;
  observe();
  for (const due = ((now - startedAt) / 1_000) * Number(perSecond); sent < due; sent++) void send();
}

function observe() {
  const { state, snapshot } = service;
  if (states.at(-1)?.state !== state) states.push({ at: systemClock.wallNow(), state });
  if (snapshot === undefined) return;
  if (snapshot.revision < revision) totals.regressions++;
  revision = snapshot.revision;
  if (snapshot.instances.length > 0 && service.tryPick() === undefined) totals.emptyPicks++;
}

async function send() {
  totals.requests++;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    if (await answered()) return;
    if (attempt < TRIES) totals.retried++;
  }
  totals.failed++;
}

async function answered() {
  const pick = service.tryPick();
  if (pick === undefined) return false;
  try {
    const { host, port } = pick.endpoint;
    const { body } = await request(`http://${host}:${port}/`, { dispatcher: agent });
    await body.dump();
    pick.done('ok');
    return true;
  } catch {
    pick.done('error');
    return false;
  }
}

function report() {
  const { state, staleMs, snapshot } = service;
  const list = snapshot?.instances.map(({ id, weight }) => `${id}=${weight}`) ?? [];
  return { ...totals, unhandled, lists, states, state, staleMs, list };
}
