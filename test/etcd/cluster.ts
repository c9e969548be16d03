/** Members of etcd that need more than one process or more than plain HTTP. */
import { etcd } from '../servers/etcd.js';
import type { RunningServer } from '../servers/index.js';
import { makePlace, OwnServer } from '../servers/server.js';
import { programOf } from '../servers/start.js';

export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly RunningServer[];
  /** All client addresses, comma separated, as a URL takes them. */
  readonly address: string;
}

/** Resolves when every member has a leader. */
export async function startEtcdCluster(size: number): Promise<EtcdCluster> {
  const program = await programOf('etcd');
  const places = await Promise.all(Array.from({ length: size }, () => makePlace(etcd, program, {})));
  const all = places.map(({ ports: [, peer] }, at) => `m${at}=http://127.0.0.1:${peer}`).join(',');
  const members = places.map(
    (place, at) =>
      new OwnServer(etcd, program, {
        ...place,
        options: { args: [`--name=m${at}`, `--initial-cluster=${all}`] },
      }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  await Promise.all(members.map((member) => member.start())).catch(async (error) => {
    await stop();
    throw error;
  });
  return { members, address: members.map(({ address }) => address).join(','), [Symbol.asyncDispose]: stop };
}

/** A member that also listens with TLS, at `localhost:port`, for clients whose certificate `authority` signed. */
export async function startTlsEtcd(files: {
  readonly server: string;
  readonly authority: string;
}): Promise<{ server: RunningServer; tlsAddress: string }> {
  const program = await programOf('etcd');
  const [place, other] = await Promise.all([makePlace(etcd, program, {}), makePlace(etcd, program, {})]);
  const [plain, secure] = [place.ports[0], other.ports[0]];
  const args = [
    `--listen-client-urls=http://127.0.0.1:${plain},https://127.0.0.1:${secure}`,
    `--cert-file=${files.server}`,
    `--key-file=${files.server}`,
    `--trusted-ca-file=${files.authority}`,
    '--client-cert-auth',
  ];
  const server = new OwnServer(etcd, program, { ...place, options: { args } });
  await server.start();
  return { server, tlsAddress: `localhost:${secure}` };
}
