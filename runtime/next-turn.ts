/**
 * Gives the event loop a turn in the middle of long work, so that timers and other sockets are served in between. Not a
 * matter of time, so it takes no clock.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
