/**
 * Real registry servers for tests. `sharedServer` is the one every test may write to under names of its own;
 * `startServer` gives a test one that it may kill, freeze and wipe.
 *
 *     await using consul = await startServer('consul');
 *     await consul.restart({ wipe: true });
 */
import { inject } from 'vitest';
import type { ServerName } from './kind.js';
import type { Addresses } from './shared.js';

export { startZooKeeperEnsemble, type ZooKeeperEnsemble } from './ensemble.js';
export type { ServerName, StartOptions } from './kind.js';
export type { RunningServer } from './server.js';
export { startServer } from './start.js';
export { fourLetterWord } from './zookeeper.js';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly sharedServers: Addresses;
  }
}

/** The `host:port` of the server that the whole run shares. Never stop it; use names of your own in it. */
export function sharedServer(name: ServerName): string {
  return inject('sharedServers')[name];
}
