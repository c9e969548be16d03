/**
 * etcd for tests: a cluster of one. The old API is off and the JSON gateway on, as they are by default since
 * 3.4. The election timeout also bounds the shortest lease: 500 ms lets a test use leases of one second.
 */
import { join } from 'node:path';
import { debianTree } from './debian.js';
import { findOnPath } from './environment.js';
import type { Place, ServerKind } from './kind.js';

export const etcd: ServerKind = {
  name: 'etcd',
  program: 'etcd',
  image: 'quay.io/coreos/etcd:v3.5.17',
  morePorts: 1,
  installed: async (env) => {
    const file = await findOnPath('etcd', env);
    return file ? { file } : undefined;
  },
  fromDebian: async (env) => {
    const tree = await debianTree({ name: 'etcd', roots: ['etcd-server'], keep: /^etcd-server$/ }, env);
    return { file: join(tree, 'usr/bin/etcd') };
  },
  prepare: async (program, place) => ({
    file: program.file,
    args: [...flags(place), ...(place.options.args ?? [])],
    env: {},
  }),
  answers: async (address) => {
    const response = await fetch(`http://${address}/health`, { signal: AbortSignal.timeout(2_000) });
    const { health } = (await response.json()) as { readonly health?: string };
    return health === 'true';
  },
};

function flags({ host, ports: [client, peer], dataDir }: Place): readonly string[] {
  return [
    '--name=pilotfish-test',
    `--data-dir=${dataDir}`,
    `--listen-client-urls=http://${host}:${client}`,
    `--advertise-client-urls=http://127.0.0.1:${client}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=pilotfish-test=http://127.0.0.1:${peer}`,
    '--heartbeat-interval=100',
    '--election-timeout=500',
    '--log-level=warn',
  ];
}
