/** The registries that every end-to-end statement holds on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedServer } from '../servers/index.js';

export interface Backend {
  readonly name: string;
  readonly url: () => string;
}

/** In which a registry notices that an owner is gone. Longer than a busy machine takes to start a sidecar. */
export const TTL_MS = 4_000;

const localDir = mkdtempSync(join(tmpdir(), 'pilotfish-e2e-'));
process.once('exit', () => rmSync(localDir, { recursive: true, force: true }));

export const BACKENDS: readonly Backend[] = [
  { name: 'local', url: () => `local:${localDir}?ttl=4s&poll=100ms` },
  { name: 'zookeeper', url: () => `zookeeper://${sharedServer('zookeeper')}/e2e?sessionTimeout=4s` },
  { name: 'etcd', url: () => `etcd://${sharedServer('etcd')}/e2e?ttl=4s` },
  { name: 'consul', url: () => `consul://${sharedServer('consul')}?ttl=4s` },
];
