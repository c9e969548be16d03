/** The servers that one run shares: started once by the global setup, or given by the environment. */
import type { Environment } from './environment.js';
import { addressVariable } from './find.js';
import type { ServerName } from './kind.js';
import type { RunningServer } from './server.js';
import { untilAnswers } from './server.js';
import { kinds, startServer } from './start.js';

/** A given server is up already, or it is not there. */
const GIVEN_LIMIT_MS = 10_000;

export type Addresses = Readonly<Record<ServerName, string>>;

export interface SharedServers {
  readonly addresses: Addresses;
  /** Ends those that this run started. */
  stop(): Promise<void>;
}

/** All or none: when one cannot be had the others are stopped again, and every reason is told. */
export async function startSharedServers(
  env: Environment = process.env,
  givenLimitMs: number = GIVEN_LIMIT_MS,
): Promise<SharedServers> {
  const own: RunningServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(own.map((server) => server.stop()));
  };
  const addressOf = async (name: ServerName): Promise<string> => {
    const given = env[addressVariable(name)];
    if (given) return checked(name, given, givenLimitMs);
    const server = await startServer(name);
    own.push(server);
    return server.address;
  };
  const [zookeeper, consul, etcd] = await Promise.allSettled([
    addressOf('zookeeper'),
    addressOf('consul'),
    addressOf('etcd'),
  ]);
  const reasons = [zookeeper, consul, etcd].flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (reasons.length > 0) {
    await stop();
    throw plainError(reasons.map((reason) => reason.message ?? reason).join('\n'));
  }
  return {
    addresses: { zookeeper: resolved(zookeeper), consul: resolved(consul), etcd: resolved(etcd) },
    stop,
  };
}

async function checked(name: ServerName, address: string, limitMs: number): Promise<string> {
  const told = `${addressVariable(name)}=${address}`;
  if (!/^[^\s/:]+:\d+$/.test(address)) throw new Error(`expected host:port, got ${told}`);
  await untilAnswers(kinds[name], address, limitMs).catch((error) => {
    throw new Error(`${told}: ${error.message}`);
  });
  return address;
}

function resolved(settled: PromiseSettledResult<string>): string {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

/** Without a stack the runner prints the line itself and not our source around it. */
function plainError(message: string): Error {
  return Object.assign(new Error(message), { stack: message });
}
