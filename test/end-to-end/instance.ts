/** The processes of one instance: a service that ends well, and a sidecar that supervises it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CliResult, type RunningCli, startCli } from '../helpers/cli.js';
import { eventually, writeConfig } from './world.js';

const SERVICE = fileURLToPath(new URL('./counting-service.mjs', import.meta.url));

export interface InstanceConfig {
  readonly service: string;
  readonly id: string;
  readonly port: number;
  readonly registry: string;
  /** For the configuration and the state. */
  readonly directory: string;
}

/** Something that a service said of itself. */
export interface ServiceEvent {
  readonly event: 'listens' | 'SIGTERM' | 'ended';
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly inFlight: number;
}

/** A line of a sidecar's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/**
 * What a sidecar's file says of such an instance: the service is asked what is in flight, and the callers, which have to
 * share a busy machine with the whole fleet here, get a second to hear of a drain.
 */
export function sidecarConfig({ service, id, port, directory }: Omit<InstanceConfig, 'registry'>): object {
  const inFlight = { url: `http://127.0.0.1:${port}/in-flight` };
  return {
    stateDir: join(directory, id),
    interval: '1s',
    fastInterval: '100ms',
    timeout: '900ms',
    drainPropagation: '1s',
    drainWait: '5s',
    services: [{ name: service, id, port, probes: ['http:/health'], inFlight }],
  };
}

/** A fleet has hosts of its own; where it shares one with the caller and the registry, it is not to hold them up. */
const LOW_PRIORITY = 10;

/** `pilotfish sidecar --config … -- node counting-service.mjs`. */
export class SupervisedInstance {
  readonly #cli: RunningCli;

  private constructor(cli: RunningCli) {
    this.#cli = cli;
  }

  /** Resolves when the process is started; listed is something else. */
  static async start(config: InstanceConfig): Promise<SupervisedInstance> {
    const file = join(config.directory, `${config.id}.json`);
    await writeConfig(file, config.registry, sidecarConfig(config));
    const cli = startCli(['sidecar', '--config', file, '--', process.execPath, SERVICE]);
    if (cli.child.pid !== undefined) setPriority(cli.child.pid, LOW_PRIORITY);
    return new SupervisedInstance(cli);
  }

  /** What the service said. */
  get events(): readonly ServiceEvent[] {
    return jsonLines<ServiceEvent>(this.#cli.stdout());
  }

  get log(): readonly LogLine[] {
    return jsonLines<LogLine>(this.#cli.stderr());
  }

  /** SIGTERM to the sidecar; resolves with how it ended. */
  terminate(): Promise<CliResult> {
    this.#cli.child.kill('SIGTERM');
    return this.#cli.ended;
  }

  /** At once: a second SIGTERM takes the command along, whatever has become of it. */
  async end(): Promise<void> {
    this.#cli.child.kill('SIGTERM');
    await this.terminate();
  }
}

/** The service alone. */
export class ServiceProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stdout = '';

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#ended = once(child, 'close').then(([code]) => code);
  }

  /** Resolves when it listens. */
  static async start(port: number): Promise<ServiceProcess> {
    const env = { ...process.env, PORT: `${port}` };
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const service = new ServiceProcess(port, spawn(process.execPath, [SERVICE], { env, stdio: [...stdio] }));
    await eventually('the service listens', () => service.events.length > 0);
    return service;
  }

  get events(): readonly ServiceEvent[] {
    return jsonLines<ServiceEvent>(this.#stdout);
  }

  /** Resolves with its exit code; null when a signal ended it. */
  signal(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

/** The whole lines that are JSON objects. */
function jsonLines<T>(text: string): readonly T[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}
