/**
 * Feeds systemd's watchdog for as long as there is real progress: the event loop turns, or this would not run; the
 * admin server answers; every probe brings results. When one of them does not, the sign of life is withheld, and
 * systemd does with the service what its unit says.
 */
import { withDeadline } from '../../runtime/abort.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { Logger } from '../../runtime/logger.js';
import { type AdminTarget, askAdmin } from '../admin-request.js';
import { progress, type Seen, type StatusReport } from './progress.js';

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** From one sign of life to the next. */
  readonly intervalMs: number;
  /** As they are now; see `silenceLimits`. */
  readonly limits: () => ReadonlyMap<string, number>;
  /** Rejects when the sidecar does not say. Undefined while there is none, as between two runs of a command. */
  readonly readStatus: (signal: AbortSignal) => Promise<StatusReport | undefined>;
  readonly alive: () => void;
}

/** Starts at once; the first sign of life comes after one interval. Returns what ends it. */
export function startWatchdog(options: WatchdogOptions): () => void {
  const stop = new AbortController();
  void watch(options, stop.signal);
  return () => stop.abort();
}

async function watch(options: WatchdogOptions, stop: AbortSignal): Promise<void> {
  const { clock, intervalMs, logger, alive } = options;
  let seen: Seen = new Map();
  while (!stop.aborted) {
    await sleep(clock, intervalMs, stop).catch(() => {});
    if (stop.aborted) return;
    const look = await lookAt(seen, options, stop);
    seen = look.seen;
    if (stop.aborted) return;
    if (look.problems.length === 0) alive();
    else logger.error({ problems: look.problems }, 'no progress, so systemd is given no sign of life');
  }
}

interface Look {
  readonly seen: Seen;
  readonly problems: readonly string[];
}

async function lookAt(seen: Seen, options: WatchdogOptions, stop: AbortSignal): Promise<Look> {
  const { clock, intervalMs, limits, readStatus } = options;
  try {
    const report = await withDeadline(clock, intervalMs / 2, 'reading the own status', stop, readStatus);
    if (report === undefined) return { seen: new Map(), problems: [] };
    const { seen: now, stuck } = progress(seen, report, limits(), clock.now());
    return { seen: now, problems: stuck.map((probe) => `no result from the probe ${probe}`) };
  } catch (error) {
    return { seen, problems: [messageOf(error)] };
  }
}

/** Reads `/v1/status` of an admin server: an answer shows that it serves, and what it says that the probes run. */
export async function readStatus(target: AdminTarget, signal: AbortSignal): Promise<StatusReport> {
  const { status, text } = await askAdmin(target, { method: 'GET', path: '/v1/status' }, signal);
  if (status !== 200) throw new Error(`the admin server answers with ${status}`);
  return JSON.parse(text) as StatusReport;
}
