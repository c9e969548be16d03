/** Real processes for a test: a service that can be well or unwell, a sidecar beside it, and a caller's view. */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectOptions, connect, type Discovery, type ServiceHandle } from '../../resolver/index.js';
import { type CliResult, type RunningCli, startCli } from '../helpers/cli.js';
import { freePorts } from '../servers/ports.js';

/** An HTTP service in this process that answers `/health` with 200, 500, or nothing at all. */
export class ToyService {
  mood: 'well' | 'unwell' | 'hanging' = 'well';
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<ToyService> {
    const service = new ToyService();
    await service.listen();
    return service;
  }

  get port(): number {
    return this.#port;
  }

  /** On the same port as before, if there was one. */
  async listen(): Promise<void> {
    const server = createServer((_request, response) => {
      if (this.mood === 'hanging') return;
      response.writeHead(this.mood === 'well' ? 200 : 500).end();
    });
    this.#server = server;
    if (this.#port === 0) [this.#port] = await freePorts(0);
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
  }

  /** As if its process had died: the port is refused, connections are reset. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  }
}

export interface Status {
  readonly registries: readonly {
    readonly state: string;
    readonly url: string;
    readonly trouble?: string;
    readonly session?: { readonly timeoutMs: number };
  }[];
  readonly services: readonly {
    readonly health: { readonly state: string; readonly cause?: string };
    readonly registrations: readonly {
      readonly registered: boolean;
      readonly error?: string;
      readonly state: string;
    }[];
  }[];
}

/** A busy machine may hold the service up, which lives in the test's own process; that is no failure of it. */
export const PATIENCE = '2s';

/** A running `pilotfish sidecar`. */
export class Sidecar {
  readonly #cli: RunningCli;
  readonly adminUrl: string;

  private constructor(cli: RunningCli, adminUrl: string) {
    this.#cli = cli;
    this.adminUrl = adminUrl;
  }

  /** Resolves when its admin server listens. Checks are quick: every 100 ms, rise 2, fall 2. See `PATIENCE`. */
  static async start(
    registry: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Sidecar> {
    const quick = ['--interval', '100ms', '--timeout', PATIENCE, '--rise', '2', '--fall', '2'];
    const place = ['--registry', registry, '--admin', '127.0.0.1:0', '--address', '127.0.0.1'];
    return Sidecar.#run(['sidecar', ...place, ...quick, '--drain-wait', '0s', ...args], env);
  }

  /** The same from a configuration file, which is removed when the process ends; see `configFile`. */
  static async startWith(registry: string, config: object): Promise<Sidecar> {
    const directory = await mkdtemp(join(tmpdir(), 'pilotfish-config-'));
    const sidecar = await Sidecar.startFrom(join(directory, 'sidecar.json'), registry, config);
    void sidecar.#cli.ended.then(() => rm(directory, { recursive: true }));
    return sidecar;
  }

  /** The same from a configuration file, which the test may change. */
  static async startFrom(
    file: string,
    registry: string | readonly string[],
    config: object,
  ): Promise<Sidecar> {
    await writeConfig(file, registry, config);
    return Sidecar.#run(['sidecar', '--config', file], {});
  }

  static async #run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Sidecar> {
    const cli = startCli(args, { env });
    const admin = (text: string) => /"admin":"([^"]+)"/.exec(text)?.[1];
    await cli.until((stdout) => admin(stdout) !== undefined);
    return new Sidecar(cli, admin(cli.stdout()) as string);
  }

  /** The log so far, one object a line. */
  get log(): readonly Record<string, unknown>[] {
    const lines = this.#cli.stdout().split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  get output(): string {
    return this.#cli.stdout() + this.#cli.stderr();
  }

  signal(signal: NodeJS.Signals): void {
    this.#cli.child.kill(signal);
  }

  /** SIGTERM; resolves with how it ended. */
  terminate(): Promise<CliResult> {
    this.signal('SIGTERM');
    return this.#cli.ended;
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#cli.ended;
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    // A kept connection may be closed by the sidecar in the moment in which it is used again.
    const headers = { connection: 'close' };
    const response = await fetch(this.adminUrl + path, { headers, signal: AbortSignal.timeout(10_000) });
    return { status: response.status, text: await response.text() };
  }

  async status(): Promise<Status> {
    return JSON.parse((await this.get('/v1/status')).text);
  }
}

/** A configuration with quick checks, as above, as a file; `config` wins over everything. */
export async function writeConfig(
  file: string,
  registry: string | readonly string[],
  config: object,
): Promise<void> {
  const quick = { interval: '100ms', timeout: PATIENCE, rise: 2, fall: 2, drainWait: '0s' };
  const place = { registry, admin: '127.0.0.1:0', address: '127.0.0.1' };
  await writeFile(file, JSON.stringify({ ...place, ...quick, ...config }));
}

/** The list as a caller sees it. */
export class Caller {
  readonly #discovery: Discovery;
  readonly service: ServiceHandle;

  private constructor(discovery: Discovery, service: ServiceHandle) {
    this.#discovery = discovery;
    this.service = service;
  }

  /**
   * Unless it is told otherwise it believes the registry at once: to hold who vanishes after an outage is of the resolver,
   * and here a busy machine alone may look like an outage to a caller.
   */
  static async of(
    registry: string,
    name: string,
    options: ConnectOptions = { hold: false },
  ): Promise<Caller> {
    const discovery = await connect(registry, options);
    return new Caller(discovery, discovery.service(name));
  }

  ids(): readonly string[] {
    return this.service.snapshot?.instances.map(({ id }) => id) ?? [];
  }

  /** Resolves when exactly these are listed. */
  async sees(...ids: readonly string[]): Promise<void> {
    await eventually(`listed: ${ids.join(', ') || 'none'}`, () => {
      return this.service.snapshot !== undefined && this.ids().join() === ids.join();
    });
  }

  close(): Promise<void> {
    return this.#discovery.close();
  }
}

/** Resolves as soon as the condition holds; asks every few milliseconds. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const limit = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > limit) throw new Error(`not seen within ${withinMs} ms: ${what}`);
    await delay(10);
  }
}
