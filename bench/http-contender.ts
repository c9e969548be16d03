/** One contender of `http.ts` in its own process: a way to send the same request to a backend. */
import { BalancedPool, type Dispatcher, Pool, request } from 'undici';
import { connect, leastLoaded, type Policy, peakEwma, roundRobin } from '../resolver/index.js';
import { serveRounds } from './harness.js';
import { type HttpRound, load, type Send } from './http-load.js';
import type { Way } from './http-scenarios.js';

/** One origin, and whatever is behind the dispatcher. */
function through(dispatcher: Dispatcher, url: string): Send {
  const options = { dispatcher };
  return () => request(url, options);
}

/** What somebody writes who has three addresses and no library. */
function handWritten(origins: readonly string[]): Send {
  const ways = origins.map((origin) => through(new Pool(origin), `${origin}/`));
  let next = 0;
  return () => {
    const send = ways[next] as Send;
    next = next + 1 === ways.length ? 0 : next + 1;
    return send();
  };
}

async function pilotfish([registry, service]: readonly string[], policy: Policy): Promise<Send> {
  const discovery = await connect(registry as string, { policy });
  return through(discovery.dispatcher(), `http://${service}/`);
}

const WAYS: Readonly<Record<Way, (targets: readonly string[]) => Send | Promise<Send>>> = {
  pool: ([origin]) => through(new Pool(origin as string), `${origin}/`),
  'hand-written': handWritten,
  'balanced-pool': (origins) => through(new BalancedPool([...origins]), `${origins[0]}/`),
  'round-robin': (targets) => pilotfish(targets, roundRobin()),
  'least-loaded': (targets) => pilotfish(targets, leastLoaded()),
  'peak-ewma': (targets) => pilotfish(targets, peakEwma()),
};

const [way, turnMs, warmUpMs, ...targets] = process.argv.slice(2) as [Way, string, string, ...string[]];
const send = await WAYS[way](targets);

serveRounds<HttpRound>(async () => {
  await load(send, Number(warmUpMs));
  return load(send, Number(turnMs));
});
