/** What the list of a service costs on etcd and Consul beside their bare HTTP APIs, and on ZooKeeper in several formats. */
import { randomUUID } from 'node:crypto';
import type { ServerName } from '../test/servers/kind.js';
import { startServer } from '../test/servers/start.js';
import { CONSUL_CHANGES, fillConsul } from './consul-http.js';
import { ETCD_CHANGES, fillEtcd } from './etcd-gateway.js';
import { FORMAT_CHANGES, FORMATS, fillFormat } from './format-entries.js';
import { type Comparison, compareLists, type ListRows, reportLists } from './list-rows.js';
import { progress } from './progress.js';

interface Settings {
  readonly etcd: readonly number[];
  readonly formats: readonly number[];
  readonly consul: readonly number[];
  readonly rounds: number;
}

const FULL: Settings = { etcd: [1_000, 10_000], formats: [10_000], consul: [1_000], rounds: 9 };
const QUICK: Settings = { etcd: [200], formats: [200], consul: [50], rounds: 1 };

const ETCD_LISTERS = ['bare gateway', 'pilotfish'] as const;
export type EtcdLister = (typeof ETCD_LISTERS)[number];

const CONSUL_LISTERS = ['bare read', 'bare read, gzip', 'pilotfish', 'pilotfish, gzip'] as const;
export type ConsulLister = (typeof CONSUL_LISTERS)[number];

export async function benchLists({ quick }: { readonly quick: boolean }): Promise<void> {
  const settings = quick ? QUICK : FULL;
  await benchEtcd(settings);
  await benchFormats(settings);
  await benchConsul(settings);
}

async function benchEtcd({ etcd, rounds }: Settings): Promise<void> {
  const floor = 'bare gateway';
  const program = './etcd-list-contender.js';
  const comparison = { contenders: ETCD_LISTERS, floor, changes: ETCD_CHANGES, program } as const;
  const measured = await measure('etcd', comparison, etcd, rounds, fillEtcd);
  reportLists('etcd', 'contender', floor, measured);
}

async function benchFormats({ formats, rounds }: Settings): Promise<void> {
  const floor = 'nerve-path';
  const program = './format-list-contender.js';
  const comparison = { contenders: FORMATS, floor, changes: FORMAT_CHANGES, program } as const;
  const measured = await measure('zookeeper', comparison, formats, rounds, async (address, service, ids) => {
    for (const format of FORMATS) await fillFormat(address, format, service, ids);
  });
  reportLists('zookeeper by format', 'format', floor, measured);
}

async function benchConsul({ consul, rounds }: Settings): Promise<void> {
  const floor = 'bare read';
  const program = './consul-list-contender.js';
  const comparison = { contenders: CONSUL_LISTERS, floor, changes: CONSUL_CHANGES, program } as const;
  const measured = await measure('consul', comparison, consul, rounds, fillConsul);
  reportLists('consul', 'contender', floor, measured);
}

/** The contenders follow the same service in turns, and only during their turn. */
async function measure<Name extends string, Change extends string>(
  name: ServerName,
  comparison: Comparison<Name, Change>,
  sizes: readonly number[],
  rounds: number,
  fill: (address: string, service: string, ids: readonly string[]) => Promise<void>,
): Promise<readonly ListRows[]> {
  progress(`starting a server of ${name}`);
  const server = await startServer(name);
  const { address } = server;
  try {
    const measured: ListRows[] = [];
    for (const instances of sizes) {
      progress(`registering ${instances} instances`);
      const service = `service-${instances}`;
      await fill(
        address,
        service,
        Array.from({ length: instances }, () => randomUUID()),
      );
      measured.push(await compareLists(comparison, { address, service, instances }, rounds));
    }
    return measured;
  } finally {
    await server.stop();
  }
}
