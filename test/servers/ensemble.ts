/** ZooKeeper servers that vote with each other; each can be killed, frozen and restarted alone. */
import type { Place, Program, StartOptions } from './kind.js';
import { makePlace, OwnServer, type RunningServer } from './server.js';
import { programOf } from './start.js';
import { zookeeper } from './zookeeper.js';

export interface ZooKeeperEnsemble {
  readonly servers: readonly RunningServer[];
  /** All client addresses, comma separated, as a ZooKeeper client takes them. */
  readonly address: string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Resolves when every server follows or leads. */
export async function startZooKeeperEnsemble(
  size: number,
  options: StartOptions = {},
): Promise<ZooKeeperEnsemble> {
  const servers = (await placesOf(size, options)).map(
    ({ program, place }) => new OwnServer(zookeeper, program, place),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const started = await Promise.allSettled(servers.map((server) => server.start()));
  const failed = started.find((start) => start.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  const address = servers.map((server) => server.address).join(',');
  return { servers, address, stop, [Symbol.asyncDispose]: stop };
}

async function placesOf(
  size: number,
  options: StartOptions,
): Promise<readonly { readonly program: Program; readonly place: Place }[]> {
  const program = await programOf('zookeeper');
  const places = await Promise.all(
    Array.from({ length: size }, () => makePlace(zookeeper, program, options)),
  );
  const members = places.map(({ ports: [, peer, vote] }, at) => `server.${at + 1}=127.0.0.1:${peer}:${vote}`);
  return places.map((place, at) => ({
    program,
    place: { ...place, host: '127.0.0.1', ensemble: { id: at + 1, members } },
  }));
}
