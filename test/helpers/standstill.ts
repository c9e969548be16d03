/**
 * For how long the machine kept this process from running: what others on the same cores took from a test. A limit on
 * wall time that grows by it still fails for what pilotfish does, and not for what its neighbours do.
 */
const TICK_MS = 20;

let total = 0;
let tickedAt: number | undefined;

/** In milliseconds, since the first call. Counted from then on, as long as the process lives. */
export function standstillMs(): number {
  if (tickedAt === undefined) {
    tickedAt = performance.now();
    setInterval(tick, TICK_MS).unref();
  }
  return total;
}

function tick(): void {
  const now = performance.now();
  const lateMs = now - (tickedAt ?? now) - TICK_MS;
  if (lateMs > TICK_MS) total += lateMs;
  tickedAt = now;
}
