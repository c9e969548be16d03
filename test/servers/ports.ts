/**
 * Picks loopback ports for servers. They are taken below the range the kernel hands out for outgoing
 * connections (32768 and up on Linux), so that a server that was killed finds its port still free.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 20_000;
const LAST = 32_000;

/** Each worker picks where no other does, and whoever is none at 0: what is about to be listened to is still free. */
const SHARES = 4;
const share = Number(process.env.VITEST_POOL_ID ?? 0) % SHARES;

/** Never the same twice from one process, so servers that are still starting cannot be given each other's. */
const given = new Set<number>();

/** One port and as many more. */
export async function freePorts(more: number): Promise<readonly [number, ...number[]]> {
  return [await freePort(), ...(await Promise.all(Array.from({ length: more }, freePort)))];
}

async function freePort(): Promise<number> {
  const port = randomInt(FIRST / SHARES, LAST / SHARES) * SHARES + share;
  if (given.has(port)) return freePort();
  given.add(port);
  return (await isFree(port)) ? port : freePort();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
