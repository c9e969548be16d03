/**
 * Tells systemd how the service is (sd_notify). Its socket takes datagrams, which Node cannot send over a unix socket,
 * so `systemd-notify` of systemd itself carries each message. As that is a process of its own, the unit needs
 * `NotifyAccess=all`. Without NOTIFY_SOCKET nothing is run.
 */
import { execFile } from 'node:child_process';
import { messageOf } from '../../runtime/errors.js';
import { printable } from '../../runtime/printable.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ServiceManager {
  /** READY=1, with our process as the main one. */
  readonly ready: () => void;
  /** RELOADING=1, to be followed by `ready`. */
  readonly reloading: () => void;
  /** STOPPING=1. */
  readonly stopping: () => void;
  /** WATCHDOG=1. */
  readonly alive: () => void;
  /** Resolves when everything was said, or given up after its limit. Never rejects. */
  readonly settled: () => Promise<void>;
}

/** systemd-notify waits until systemd has read the message, which one that is well does at once. */
const MESSAGE_LIMIT_MS = 5_000;

/** `onError` is told once for each message that could not be sent. @param limitMs For each. Default 5 s. */
export function serviceManager(
  env: Environment,
  pid: number,
  onError: (cause: string) => void,
  limitMs = MESSAGE_LIMIT_MS,
): ServiceManager {
  let last = Promise.resolve();
  const say = (...message: readonly string[]): void => {
    // One after the other, so that systemd hears them in the order in which they were said.
    last = last
      .then(() => systemdNotify(message, env, limitMs))
      .catch((error: unknown) => onError(printable(messageOf(error))));
  };
  const isThere = (env.NOTIFY_SOCKET ?? '') !== '';
  const ifThere = (...message: readonly string[]) => (isThere ? () => say(...message) : () => {});
  return {
    ready: ifThere(`--pid=${pid}`, 'READY=1'),
    // The time, on the clock that systemd reads too, tells it that the next READY=1 belongs to this reload.
    reloading: () => ifThere('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)(),
    stopping: ifThere('STOPPING=1'),
    alive: ifThere('WATCHDOG=1'),
    settled: () => last,
  };
}

function systemdNotify(args: readonly string[], env: Environment, limitMs: number): Promise<void> {
  const options = { env: { ...env }, timeout: limitMs, killSignal: 'SIGKILL' } as const;
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', args, options, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Half of the time systemd allows between two signs of life; undefined when it expects none from this process. */
export function watchdogIntervalMs(env: Environment, pid: number): number | undefined {
  const isOurs = (env.WATCHDOG_PID ?? '') === '' || env.WATCHDOG_PID === String(pid);
  if (!isOurs || (env.NOTIFY_SOCKET ?? '') === '') return undefined;
  const us = /^\d+$/.test(env.WATCHDOG_USEC ?? '') ? Number(env.WATCHDOG_USEC) : 0;
  return us > 0 ? us / 2000 : undefined;
}
