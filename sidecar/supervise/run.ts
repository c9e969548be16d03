/**
 * The sidecar as a process: alone until it is asked to stop, or with a command that it supervises. Composes what is
 * beside it in this folder; all it knows of the process comes as an argument.
 */
import { aborted } from '../../runtime/abort.js';
import { systemClock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { printable } from '../../runtime/printable.js';
import { systemRandom } from '../../runtime/random.js';
import type { AdminTarget } from '../admin-request.js';
import type { SidecarConfig } from '../config/config.js';
import { watchConfigFile } from '../config/file-watch.js';
import type { LoadedConfig } from '../config/load.js';
import type { Environment } from '../config/overrides.js';
import { type Sidecar, startSidecar } from '../daemon.js';
import { type Log, openLog } from '../log.js';
import { reachable, restartOnly } from '../restart-only.js';
import { silenceLimits } from './progress.js';
import { serviceManager, watchdogIntervalMs } from './service-manager.js';
import type { SuperviseSettings } from './settings.js';
import { Supervisor } from './supervisor.js';
import { readStatus, startWatchdog } from './watchdog.js';

/** The process around it. */
export interface Host {
  readonly pid: number;
  readonly env: Environment;
  /** Asks for the end in order. */
  readonly stop: AbortSignal;
  /** The signal that did. */
  readonly stopSignal: () => NodeJS.Signals;
  /** The file descriptor the log goes to: 1 or 2. */
  readonly logFd: number;
  /** Reads the configuration again. */
  readonly load: () => Promise<LoadedConfig>;
  /** Calls back when a reload is asked for by a signal. Returns what ends that. */
  readonly onReload: (reload: () => void) => () => void;
  /** Calls back for every signal that is passed on to the command. Returns what ends that. */
  readonly onPassedSignal: (deliver: (name: NodeJS.Signals) => void) => () => void;
  /** Calls back, synchronously, when the process ends for whatever reason. Returns what ends that. */
  readonly onExit: (callback: () => void) => () => void;
}

export interface CommandToRun extends SuperviseSettings {
  /** The command's environment under this configuration. */
  readonly env: (config: SidecarConfig) => Environment;
}

/** Runs the sidecar until `stop`; resolves when it has drained everything and ended. Rejects as `Sidecar.close` does. */
export async function runAlone(loaded: LoadedConfig, host: Host): Promise<void> {
  const life = new Life(loaded, host);
  const endReload = host.onReload(() => void life.reload());
  try {
    await life.startSidecar();
    life.running();
    await aborted(host.stop);
    life.stopping();
    await life.drainSidecar();
    await life.closeSidecar();
  } finally {
    endReload();
    await life.close();
  }
}

/** Runs the command beside the sidecar; resolves with the exit code to end with. Rejects as `Supervisor.run` does. */
export async function runWithCommand(
  loaded: LoadedConfig,
  command: CommandToRun,
  host: Host,
): Promise<number> {
  const life = new Life(loaded, host);
  // What is left of the cap is the command's own.
  const timeoutMs = (): number => Math.max(MIN_DRAIN_MS, life.config.drain.timeoutMs - command.stopTimeoutMs);
  const supervisor = new Supervisor({
    ...command,
    env: () => command.env(life.config),
    stop: host.stop,
    stopSignal: host.stopSignal,
    startSidecar: async () => {
      await life.startSidecar();
      return { drain: () => life.drainSidecar({ timeoutMs: timeoutMs() }), close: () => life.closeSidecar() };
    },
    onRunning: () => life.running(),
    clock: systemClock,
    random: systemRandom(),
    logger: life.logger,
  });
  const onStop = (): void => life.stopping();
  const releases = [
    host.onPassedSignal((name) => supervisor.forward(name)),
    host.onExit(() => supervisor.killNow()),
    () => host.stop.removeEventListener('abort', onStop),
  ];
  host.stop.addEventListener('abort', onStop);
  try {
    return await supervisor.run();
  } finally {
    await life.close();
    for (const release of releases) release();
  }
}

/** For a drain, however long the command may take to stop. */
const MIN_DRAIN_MS = 1_000;

/** The sidecar that runs now, and what systemd is told of it. */
class Life {
  readonly #log: Log;
  readonly #load: Host['load'];
  readonly #stopSignal: Host['stopSignal'];
  readonly #endFileWatch: () => void;
  readonly #manager: ReturnType<typeof serviceManager>;
  readonly #watchdogMs: number | undefined;
  #config: SidecarConfig;
  /** What the last sidecar started with. */
  #started: SidecarConfig | undefined;
  #sidecar: Sidecar | undefined;
  /** Asked for while there was no sidecar, as during a start. */
  #isReloadDue = false;
  #isStopping = false;
  #endWatchdog = (): void => {};

  constructor({ config, file }: LoadedConfig, { env, logFd, pid, load, stopSignal }: Host) {
    this.#config = config;
    this.#load = load;
    this.#stopSignal = stopSignal;
    this.#log = openLog({ level: config.logLevel, clock: systemClock, fd: logFd });
    this.#watchdogMs = watchdogIntervalMs(env, pid);
    this.#manager = serviceManager(env, pid, (cause) =>
      this.logger.warn({ cause: printable(cause) }, 'could not tell systemd'),
    );
    const isWatched = config.reloadOnChange && file !== undefined;
    this.#endFileWatch = isWatched ? watchConfigFile(file, () => void this.reload(), systemClock) : () => {};
  }

  get logger(): Logger {
    return this.#log.logger;
  }

  /** As it was reloaded last. */
  get config(): SidecarConfig {
    return this.#sidecar?.config ?? this.#config;
  }

  async startSidecar(): Promise<void> {
    this.#sidecar = await this.#start(this.#config).catch((error) => this.#startAsBefore(error));
    this.#started = this.#sidecar.config;
    if (!this.#isReloadDue) return;
    this.#isReloadDue = false;
    await this.#sidecar.reload?.();
  }

  #start(config: SidecarConfig): Promise<Sidecar> {
    return startSidecar(config, {
      logger: this.logger,
      droppedLogLines: this.#log.droppedLines,
      load: this.#load,
    });
  }

  /** Where a reload changed what only a start can try, such as an address to listen on, and that fails. */
  async #startAsBefore(error: unknown): Promise<Sidecar> {
    if (this.#started === undefined || restartOnly(this.#started, this.#config).length === 0) throw error;
    const cause = printable(messageOf(error));
    this.logger.error({ cause }, 'could not start as reloaded: what takes effect at a start stays as it was');
    return this.#start(reachable(this.#started, this.#config));
  }

  /** What comes of it is in the log. Where there is no sidecar yet, the next one reloads first of all. */
  async reload(): Promise<void> {
    this.#isReloadDue = this.#sidecar === undefined;
    if (this.#sidecar?.reload === undefined) return;
    if (!this.#isStopping) this.#manager.reloading();
    await this.#sidecar.reload();
    if (!this.#isStopping) this.#manager.ready();
  }

  /** @param limits Default as configured. */
  async drainSidecar(limits: { readonly timeoutMs?: number } = {}): Promise<void> {
    await this.#sidecar?.drain(`the sidecar got ${this.#stopSignal()}`, limits);
  }

  async closeSidecar(): Promise<void> {
    const sidecar = this.#sidecar;
    this.#sidecar = undefined;
    if (sidecar === undefined) return;
    try {
      await sidecar.close();
    } finally {
      // Now, as a reload that had begun before was still applied.
      this.#config = sidecar.config;
    }
  }

  running(): void {
    this.#manager.ready();
    if (this.#watchdogMs === undefined) return;
    this.#endWatchdog = startWatchdog({
      clock: systemClock,
      logger: this.logger,
      intervalMs: this.#watchdogMs,
      limits: () => silenceLimits(this.config),
      readStatus: async (signal) => this.#sidecar && readStatus(targetOf(this.#sidecar), signal),
      alive: this.#manager.alive,
    });
  }

  stopping(): void {
    this.#isStopping = true;
    this.#endWatchdog();
    this.#manager.stopping();
  }

  async close(): Promise<void> {
    this.#endFileWatch();
    this.#endWatchdog();
    await this.#manager.settled();
    await this.#log.close();
  }
}

function targetOf({ adminUrl: url, adminToken: token }: Sidecar): AdminTarget {
  return { url, token };
}
