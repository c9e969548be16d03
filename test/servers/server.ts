/**
 * One server of a test's own, on ports and in a folder that stay the same over its restarts: what a test
 * kills, freezes and brings back. Not for the shared server, which other tests are using.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, type Command, spawnChild } from './child.js';
import { inContainer } from './docker.js';
import type { Place, Program, ServerKind, ServerName, StartOptions } from './kind.js';
import { freePorts } from './ports.js';

/** How long a server may take until it answers, and how long a polite stop may last. */
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;
const POLL_MS = 25;

export interface RunningServer {
  readonly name: ServerName;
  /** `127.0.0.1:port`, the same over restarts. */
  readonly address: string;
  readonly dataDir: string;
  /** What the server printed, over all its starts. */
  readonly logFile: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Ends it politely, by force after a limit, and removes its data. Twice is once. */
  stop(): Promise<void>;
  /** Ends it by SIGKILL and keeps its data, as a crash would. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after a SIGKILL if it still runs. Data is kept unless `wipe`. */
  restart(options?: { readonly wipe?: boolean }): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function makePlace(kind: ServerKind, program: Program, options: StartOptions): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), `pilotfish-${kind.name}-`));
  const ports = await freePorts(kind.morePorts);
  const host = program.docker ? '0.0.0.0' : '127.0.0.1';
  return { host, ports, folder, dataDir: join(folder, 'data'), options };
}

export class OwnServer implements RunningServer {
  readonly name: ServerName;
  readonly address: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly #kind: ServerKind;
  readonly #program: Program;
  readonly #place: Place;
  readonly #removeAtExit: () => void;
  #child: Child | undefined;

  constructor(kind: ServerKind, program: Program, place: Place) {
    this.name = kind.name;
    this.address = `127.0.0.1:${place.ports[0]}`;
    this.dataDir = place.dataDir;
    this.logFile = join(place.folder, 'log');
    this.#kind = kind;
    this.#program = program;
    this.#place = place;
    this.#removeAtExit = () => rmSync(place.folder, { recursive: true, force: true });
    process.once('exit', this.#removeAtExit);
  }

  get pid(): number | undefined {
    return this.#child?.running ? this.#child.pid : undefined;
  }

  /** Resolves when the server answers; when it does not come up, it is stopped and the log's end is told. */
  async start(): Promise<void> {
    await mkdir(this.dataDir, { recursive: true });
    this.#child = await spawnChild(await this.#command(), this.logFile);
    try {
      await this.#untilItAnswers(this.#child);
    } catch (error) {
      const log = await readFile(this.logFile, 'utf8').catch(() => '');
      await this.stop();
      throw new Error(`${message(error)}; its last words:\n${log.split('\n').slice(-15).join('\n')}`);
    }
  }

  async stop(): Promise<void> {
    this.thaw();
    this.#child?.signal('SIGTERM');
    if (!(await this.#child?.endedWithin(STOP_LIMIT_MS))) await this.kill();
    await rm(this.#place.folder, { recursive: true, force: true });
    process.off('exit', this.#removeAtExit);
  }

  async kill(): Promise<void> {
    this.#child?.signal('SIGKILL');
    await this.#child?.ended;
  }

  async restart({ wipe = false }: { readonly wipe?: boolean } = {}): Promise<void> {
    await this.kill();
    if (wipe) await rm(this.dataDir, { recursive: true, force: true });
    await this.start();
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #command(): Promise<Command> {
    const { file, args, env } = await this.#kind.prepare(this.#program, this.#place);
    const own = { ...env, ...this.#place.options.env };
    if (this.#program.docker) return inContainer({ file, args, env: own }, this.#program, this.#place);
    // Not the runner's whole environment: CONSUL_*, ETCD_* and JVM variables would change the server.
    const { PATH, JAVA_HOME } = process.env;
    return { file, args, env: { PATH, JAVA_HOME, HOME: this.#place.folder, TZ: 'UTC', ...own } };
  }

  async #untilItAnswers(child: Child): Promise<void> {
    await untilAnswers(this.#kind, this.address, START_LIMIT_MS, async () => {
      if (!child.running) throw new Error(`${this.name} ended with ${await child.ended} while starting`);
    });
  }
}

/** Polls until the server serves; `check` runs before every look and may end the wait by throwing. */
export async function untilAnswers(
  kind: ServerKind,
  address: string,
  limitMs: number,
  check: () => Promise<void> = async () => undefined,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    await check();
    if (await kind.answers(address).catch(() => false)) return;
    await delay(POLL_MS);
  }
  throw new Error(`expected ${kind.name} at ${address} to answer within ${limitMs} ms, got nothing usable`);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
