/**
 * The life of a supervised command, and of the sidecar beside it. Each run has a sidecar of its own, which is there
 * before the command, and drained and closed, with its deregistration confirmed, before a signal reaches the command or
 * a new one is started: nothing is listed while it is known not to serve.
 */
import { abortable } from '../../runtime/abort.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import type { Random } from '../../runtime/random.js';
import { type Child, type CommandLine, startChild } from './child.js';
import { describeEnding, type Ending, exitCodeOf } from './ending.js';
import { endsInARow, type RestartPolicy, restartsAfter, restartWaitMs } from './restart.js';

/** The sidecar of one run; what `startSidecar` returns is one. */
export interface RunSidecar {
  /** Takes the services out without losing a request, for as long as there is time. Never rejects. */
  readonly drain: () => Promise<unknown>;
  /** Deregisters and has it confirmed. May reject, having ended all the same. */
  readonly close: () => Promise<void>;
}

export interface SuperviseOptions {
  readonly command: CommandLine;
  /** Asked for at each start of the command. */
  readonly env: () => Readonly<Record<string, string | undefined>>;
  readonly restart: RestartPolicy;
  /** From the signal until SIGKILL to the command's process group. */
  readonly stopTimeoutMs: number;
  /** Asks for the end. */
  readonly stop: AbortSignal;
  /** Which signal the command is sent when `stop` aborts. */
  readonly stopSignal: () => NodeJS.Signals;
  readonly startSidecar: () => Promise<RunSidecar>;
  /** Called when the first sidecar listens and the command runs. */
  readonly onRunning: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Supervisor {
  readonly #options: SuperviseOptions;
  #child: Child | undefined;
  #isAnnounced = false;

  constructor(options: SuperviseOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the exit code of the last run, when it is not to be followed by another; 0 when a stop came before
   * the first. Rejects CommandNotStarted, and whatever `startSidecar` rejects with; nothing runs then. Called once.
   */
  async run(): Promise<number> {
    const { clock, random, restart, stop } = this.#options;
    let last: Ending | undefined;
    let [ends, waitMs] = [0, 0];
    while (!stop.aborted) {
      const startsAt = clock.now() + waitMs;
      last = (await this.#runOnce(waitMs)) ?? last;
      if (last === undefined || !restartsAfter(restart, last)) break;
      ends = endsInARow(ends, clock.now() - startsAt);
      waitMs = restartWaitMs(ends, random);
    }
    return last === undefined ? 0 : exitCodeOf(last);
  }

  /** To the command as it is; lost when none runs. */
  forward(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  /** Kills the command with all of its group, synchronously: for an end that waits for nothing. */
  killNow(): void {
    this.#child?.killGroup();
  }

  /** Undefined when the stop came before the command was started. */
  async #runOnce(waitMs: number): Promise<Ending | undefined> {
    const { clock, stop } = this.#options;
    const sidecar = await this.#options.startSidecar();
    let child: Child | undefined;
    try {
      await sleep(clock, waitMs, stop).catch(() => {});
      if (stop.aborted) return undefined;
      child = await this.#startChild();
      await abortable(child.ended, stop).then(
        (ending) => this.#reportEnd(ending),
        () => {},
      );
    } finally {
      // Only a command that still runs has anything to finish.
      if (stop.aborted) await sidecar.drain();
      await this.#close(sidecar);
    }
    return stop.aborted ? this.#stopChild(child) : child.ended;
  }

  async #startChild(): Promise<Child> {
    const { command, env, logger, onRunning } = this.#options;
    const child = await startChild(command, env());
    this.#child = child;
    logger.info({ program: command[0], pid: child.pid }, 'the command runs');
    if (!this.#isAnnounced) onRunning();
    this.#isAnnounced = true;
    return child;
  }

  async #stopChild(child: Child): Promise<Ending> {
    const { clock, logger, stopSignal, stopTimeoutMs } = this.#options;
    child.signal(stopSignal());
    const cancel = clock.after(stopTimeoutMs, () => {
      logger.warn({ pid: child.pid, stopTimeoutMs }, 'the command did not end in time and is killed');
      child.killGroup();
    });
    const ending = await child.ended;
    cancel();
    return ending;
  }

  /** A registry that confirms nothing must keep the command neither from its end nor from its next start. */
  async #close(sidecar: RunSidecar): Promise<void> {
    await sidecar.close().catch((error: unknown) => {
      this.#options.logger.error({ cause: messageOf(error) }, 'the sidecar did not end in order');
    });
  }

  #reportEnd(ending: Ending): void {
    const { logger, restart } = this.#options;
    const again = restartsAfter(restart, ending);
    logger[again ? 'warn' : 'info']({ again }, `the command ${describeEnding(ending)}`);
  }
}
