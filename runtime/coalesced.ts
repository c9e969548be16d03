/**
 * Runs a piece of work one at a time; calls that come while it runs share one further run. Each caller's promise
 * settles with a run that began after its call, so it sees the effect of whatever happened before.
 */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    next = undefined;
    running = work().finally(() => {
      // A further run that was promised is as good as running: it must not be overtaken before it begins.
      running = next;
    });
    return running;
  };
  return () => {
    if (running === undefined) return start();
    next ??= running.then(start, start);
    return next;
  };
}
