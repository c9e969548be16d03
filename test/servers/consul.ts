/**
 * Consul for tests: a single server with a data folder, so that a restart keeps what was written, unlike
 * `-dev`. Ports that tests do not use are off; Raft runs with its quickest timings.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianTree } from './debian.js';
import { findOnPath } from './environment.js';
import type { Place, Program, ServerKind } from './kind.js';

/** Debian dropped Consul after this release. */
const SUITE = 'bullseye';

export const consul: ServerKind = {
  name: 'consul',
  program: 'consul',
  image: 'hashicorp/consul:1.20',
  morePorts: 2,
  installed: async (env) => {
    const file = await findOnPath('consul', env);
    return file ? { file } : undefined;
  },
  fromDebian: async (env) => {
    const tree = await debianTree({ name: 'consul', roots: ['consul'], keep: /^consul$/, suite: SUITE }, env);
    return { file: join(tree, 'usr/bin/consul') };
  },
  prepare: async (program, place) => ({
    file: program.file,
    args: ['agent', ...flags(place), ...(await newerFlags(program)), ...(place.options.args ?? [])],
    env: {},
  }),
  answers: async (address) => {
    const leader = await read(address, '/v1/status/leader');
    const nodes = await read(address, '/v1/catalog/nodes?consistent');
    return leader !== '' && Array.isArray(nodes) && nodes.length > 0;
  },
};

function flags({ host, ports: [http, server, lan], dataDir }: Place): readonly string[] {
  return [
    '-server',
    '-bootstrap-expect=1',
    '-node=pilotfish-test',
    `-data-dir=${dataDir}`,
    '-bind=127.0.0.1',
    `-client=${host}`,
    `-http-port=${http}`,
    `-server-port=${server}`,
    `-serf-lan-port=${lan}`,
    '-serf-wan-port=-1',
    '-dns-port=-1',
    '-grpc-port=-1',
    '-disable-host-node-id',
    '-log-level=warn',
    '-hcl=performance { raft_multiplier = 1 }',
    '-hcl=disable_update_check = true',
    '-hcl=disable_remote_exec = true',
  ];
}

/** Since 1.14 there is one more port to switch off, and older versions refuse the flag. */
async function newerFlags({ file, docker }: Program): Promise<readonly string[]> {
  if (docker) return [];
  const help = await promisify(execFile)(file, ['agent', '-help']).catch((error) => error);
  return `${help.stdout}${help.stderr}`.includes('-grpc-tls-port') ? ['-grpc-tls-port=-1'] : [];
}

async function read(address: string, path: string): Promise<unknown> {
  const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`expected 200 from ${path}, got ${response.status}`);
  return response.json();
}
