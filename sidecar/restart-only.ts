/**
 * What a reload cannot change, because others hold on to it while the sidecar runs: where it listens, how it logs, how
 * long its registrations wait after an outage.
 */
import { isDeepStrictEqual } from 'node:util';
import type { SidecarConfig } from './config/config.js';

const KEYS = [
  'admin',
  'adminTokenFile',
  'metrics',
  'logLevel',
  'stateDir',
  'reloadOnChange',
  'fleetSize',
] as const;

/** One sentence for each of them that differs. */
export function restartOnly(present: SidecarConfig, next: SidecarConfig): readonly string[] {
  return KEYS.filter((key) => !isDeepStrictEqual(present[key], next[key])).map(
    (key) => `${key} has changed and takes effect at the next start only`,
  );
}

/** The next configuration as far as one that started with `present` can go over to it. */
export function reachable(present: SidecarConfig, next: SidecarConfig): SidecarConfig {
  return { ...next, ...Object.fromEntries(KEYS.map((key) => [key, present[key]])) };
}
