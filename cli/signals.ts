/** The first SIGINT or SIGTERM asks the program to end in order, the second one ends it on the spot. */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export interface StopSignals {
  readonly signal: AbortSignal;
  readonly release: () => void;
}

/** `endNow` is called at the second signal. */
export function stopSignals(target: NodeJS.EventEmitter, endNow: () => void): StopSignals {
  const controller = new AbortController();
  const onSignal = (name: string): void => {
    if (controller.signal.aborted) endNow();
    else controller.abort(new Error(`stopped by ${name}`));
  };
  for (const name of SIGNALS) target.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) target.off(name, onSignal);
    },
  };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
