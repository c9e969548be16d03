/** Starts servers of a test's own. Apart from `index.ts` because the global setup cannot load vitest's API. */
import { consul } from './consul.js';
import type { Environment } from './environment.js';
import { etcd } from './etcd.js';
import { findProgram } from './find.js';
import type { Program, ServerKind, ServerName, StartOptions } from './kind.js';
import { makePlace, OwnServer, type RunningServer } from './server.js';
import { zookeeper } from './zookeeper.js';

export const kinds: Readonly<Record<ServerName, ServerKind>> = { zookeeper, consul, etcd };

/** A server of the test's own. The test stops it; the end of the process does so at the latest. */
export async function startServer(name: ServerName, options: StartOptions = {}): Promise<RunningServer> {
  const program = await programOf(name);
  const server = new OwnServer(kinds[name], program, await makePlace(kinds[name], program, options));
  await server.start();
  return server;
}

const programs = new Map<ServerName, Promise<Program>>();

/** Looked for once per process: the answer does not change while tests run. */
export function programOf(name: ServerName, env: Environment = process.env): Promise<Program> {
  const program = programs.get(name) ?? findProgram(kinds[name], env);
  programs.set(name, program);
  return program;
}
