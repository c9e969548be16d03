/** The registries that every end-to-end statement holds on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedServer } from '../servers/index.js';

export interface Backend {
  readonly name: string;
  /** @param ttlMs In which it notices that an owner is gone. */
  readonly url: (ttlMs?: number) => string;
}

/** Longer than an owner stands still on a busy machine. */
export const TTL_MS = 4_000;

const localDir = mkdtempSync(join(tmpdir(), 'pilotfish-e2e-'));
process.once('exit', () => rmSync(localDir, { recursive: true, force: true }));

const seconds = (ttlMs: number): string => `${ttlMs / 1000}s`;

export const BACKENDS: readonly Backend[] = [
  { name: 'local', url: (ttlMs = TTL_MS) => `local:${localDir}?ttl=${seconds(ttlMs)}&poll=100ms` },
  {
    name: 'zookeeper',
    url: (ttlMs = TTL_MS) => `zookeeper://${sharedServer('zookeeper')}/e2e?sessionTimeout=${seconds(ttlMs)}`,
  },
  { name: 'etcd', url: (ttlMs = TTL_MS) => `etcd://${sharedServer('etcd')}/e2e?ttl=${seconds(ttlMs)}` },
  { name: 'consul', url: (ttlMs = TTL_MS) => `consul://${sharedServer('consul')}?ttl=${seconds(ttlMs)}` },
];
