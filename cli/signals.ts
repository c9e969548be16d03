/**
 * The first SIGINT or SIGTERM asks the program to end in order, the second one ends it on the spot. Others can be
 * passed on to a command that runs below.
 */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** What mean nothing to us and may mean something to a supervised command. */
const PASSED_ON = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

export interface StopSignals {
  readonly signal: AbortSignal;
  readonly release: () => void;
}

/** Why the signal of `stopSignals` aborted. */
class StoppedBy extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.signal = signal;
  }
}

/** `endNow` is called at the second signal. */
export function stopSignals(target: NodeJS.EventEmitter, endNow: () => void): StopSignals {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) endNow();
    else controller.abort(new StoppedBy(name));
  };
  return { signal: controller.signal, release: listen(target, SIGNALS, onSignal) };
}

/** The process signal that aborted it; SIGTERM when it was something else. */
export function stoppedBy({ reason }: AbortSignal): NodeJS.Signals {
  return reason instanceof StoppedBy ? reason.signal : 'SIGTERM';
}

/** Calls `deliver` for each SIGHUP, SIGUSR1 and SIGUSR2 instead of what they would do to us. Returns what ends that. */
export function passSignalsOn(
  target: NodeJS.EventEmitter,
  deliver: (name: NodeJS.Signals) => void,
): () => void {
  return listen(target, PASSED_ON, deliver);
}

/** Calls `reload` for each SIGHUP, which else would end the process. Returns what ends that. */
export function onHangUp(target: NodeJS.EventEmitter, reload: () => void): () => void {
  return listen(target, ['SIGHUP'], reload);
}

function listen(
  target: NodeJS.EventEmitter,
  names: readonly NodeJS.Signals[],
  listener: (name: NodeJS.Signals) => void,
): () => void {
  for (const name of names) target.on(name, listener);
  return () => {
    for (const name of names) target.off(name, listener);
  };
}
