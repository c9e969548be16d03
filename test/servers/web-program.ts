/**
 * nginx and HAProxy: programs that serve whatever their configuration says, so there is no one way to start them as there
 * is for a registry.
 */
import type { Environment } from './environment.js';
import { findParty, type Party, type Program, program } from './party.js';

/** Libraries that a slim machine may lack; libc is the machine's own. */
const LIBRARIES = ['libpcre2-8-0', 'libssl3(t64)?', 'zlib1g', 'libcrypt1'];

export interface WebKind {
  readonly name: 'nginx' | 'haproxy';
  readonly party: Party<Program>;
  /** How to serve one configuration file, in the foreground, everything else below `folder`. */
  args(configFile: string, folder: string): readonly string[];
}

export const nginx: WebKind = {
  name: 'nginx',
  party: program('nginx', 'nginx', 'nginx-common', ...LIBRARIES),
  args: (configFile, folder) => ['-p', folder, '-c', configFile],
};

export const haproxy: WebKind = {
  name: 'haproxy',
  party: program(
    'haproxy',
    'haproxy',
    String.raw`liblua5\.\d-0`,
    'libopentracing.*',
    'libsystemd0',
    ...LIBRARIES,
  ),
  args: (configFile) => ['-db', '-f', configFile],
};

/** Rejects with one clear line. */
export function findWebProgram({ party }: WebKind, env: Environment = process.env): Promise<Program> {
  return findParty(party, env);
}
