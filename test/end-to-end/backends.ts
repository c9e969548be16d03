/** The registries that every end-to-end statement holds on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedServer } from '../servers/index.js';

export interface Backend {
  readonly name: string;
  readonly url: () => string;
  /** In which the registry notices that an owner is gone. */
  readonly ttlMs: number;
}

const localDir = mkdtempSync(join(tmpdir(), 'pilotfish-e2e-'));
process.once('exit', () => rmSync(localDir, { recursive: true, force: true }));

export const BACKENDS: readonly Backend[] = [
  { name: 'local', url: () => `local:${localDir}?ttl=3s&poll=100ms`, ttlMs: 3_000 },
  {
    name: 'zookeeper',
    url: () => `zookeeper://${sharedServer('zookeeper')}/e2e?sessionTimeout=2s`,
    ttlMs: 2_000,
  },
  { name: 'etcd', url: () => `etcd://${sharedServer('etcd')}/e2e?ttl=4s`, ttlMs: 4_000 },
  { name: 'consul', url: () => `consul://${sharedServer('consul')}?ttl=2s`, ttlMs: 2_000 },
];
