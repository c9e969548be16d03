/**
 * A clock that all processes of one host share and that nobody can set: the kernel's monotonic clock, together with
 * the boot it counts from. Lease files carry times of it, so a wall clock that jumps expires nothing.
 */
import { readFileSync } from 'node:fs';

export interface HostTime {
  /** Milliseconds since some moment that is the same for every process of this boot. */
  now(): number;
  /** Names the boot; a lease of another one is over. Constant text where the system does not tell. */
  readonly boot: string;
}

export const systemHostTime: HostTime = {
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  boot: bootId(),
};

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
