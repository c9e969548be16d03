/** One nginx or HAProxy with a configuration of the caller's own. It ends with this process at the latest. */
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, type Command, spawnChild } from './child.js';
import { findWebProgram, type WebKind } from './web-program.js';

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 5_000;
const POLL_MS = 25;

export interface WebSettings {
  /** The configuration as the program reads it. It stays in the foreground as one process, which is what is ended. */
  readonly config: string;
  /** Where it listens on 127.0.0.1: it has started when all of them accept. */
  readonly ports: readonly number[];
  /** Changes how it is run, such as on which core. */
  readonly as?: (command: Command) => Command;
}

export interface WebServer {
  readonly pid: number | undefined;
  /** Ends it, by force after a limit, and removes what it wrote. Twice is once. */
  stop(): Promise<void>;
}

/** Rejects, with the last words of the program, when it does not come up. */
export async function startWebServer(kind: WebKind, settings: WebSettings): Promise<WebServer> {
  const { file, env } = await findWebProgram(kind);
  const folder = await mkdtemp(join(tmpdir(), `pilotfish-${kind.name}-`));
  const removeAtExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const configFile = join(folder, `${kind.name}.conf`);
  await writeFile(configFile, settings.config);
  const { PATH } = process.env;
  const command = { file, args: kind.args(configFile, folder), env: { PATH, TZ: 'UTC', ...env } };
  const logFile = join(folder, 'log');
  const child = await spawnChild(settings.as?.(command) ?? command, logFile);
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
    process.off('exit', removeAtExit);
  };
  try {
    await untilItListens(kind.name, child, settings.ports);
  } catch (error) {
    const log = await readFile(logFile, 'utf8').catch(() => '');
    await stop();
    throw new Error(`${(error as Error).message}; its last words:\n${log.split('\n').slice(-15).join('\n')}`);
  }
  return { pid: child.pid, stop };
}

async function end(child: Child): Promise<void> {
  child.signal('SIGTERM');
  if (await child.endedWithin(STOP_LIMIT_MS)) return;
  child.signal('SIGKILL');
  await child.ended;
}

async function untilItListens(name: string, child: Child, ports: readonly number[]): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    if (!child.running) throw new Error(`${name} ended with ${await child.ended} while starting`);
    const answers = await Promise.all(ports.map(accepts));
    if (answers.every((accepted) => accepted)) return;
    await delay(POLL_MS);
  }
  throw new Error(
    `expected ${name} to listen on ${ports.join(', ')} within ${START_LIMIT_MS} ms, it does not`,
  );
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
