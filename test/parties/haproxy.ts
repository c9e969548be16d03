/** HAProxy with a configuration, ended by whoever started it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnChild } from '../servers/child.js';
import type { Program } from '../servers/party.js';
import { findWebProgram, haproxy } from '../servers/web-program.js';

export interface Running {
  stop(): Promise<void>;
}

/** May take as long as a download. */
export function findHaproxy(): Promise<Program> {
  return findWebProgram(haproxy);
}

/** Resolves when it is started; what it serves is to be seen. */
export async function startHaproxy({ file, env }: Program, configFile: string): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-haproxy-'));
  const child = await spawnChild({ file, args: ['-db', '-f', configFile], env }, join(folder, 'log'));
  return {
    async stop() {
      child.signal('SIGTERM');
      await child.ended;
      await rm(folder, { recursive: true });
    },
  };
}
