/** So many requests in flight for so long, whichever way they are sent, and how that went. */
import type { Dispatcher } from 'undici';
import { systemClock } from '../runtime/clock.js';

const IN_FLIGHT = 64;

/** Sends one request. */
export type Send = () => Promise<Dispatcher.ResponseData>;

export interface HttpRound {
  /** Whatever the answer. One that ends late counts for its part in time. */
  readonly perSecond: number;
  /** From sending to the end of the body; of all, those that ended late included. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Of them, those without a 200. */
  readonly failed: number;
  /** Processor time of this process for one request. */
  readonly processorUs: number;
}

export async function load(send: Send, forMs: number): Promise<HttpRound> {
  const latencies: number[] = [];
  let failed = 0;
  let answered = 0;
  const before = process.cpuUsage();
  const endsAt = systemClock.now() + forMs;
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const { user, system } = process.cpuUsage(before);
  const sorted = Float64Array.from(latencies).sort();
  return {
    perSecond: (answered / forMs) * 1000,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    requests: latencies.length,
    failed,
    processorUs: (user + system) / latencies.length,
  };

  async function lane(): Promise<void> {
    let sentAt = systemClock.now();
    while (sentAt < endsAt) {
      if (!(await isGood(send))) failed++;
      const endedAt = systemClock.now();
      // Counting only what ends in time would favour whoever has no slow backend to wait for.
      answered += Math.min(1, (endsAt - sentAt) / (endedAt - sentAt));
      latencies.push(endedAt - sentAt);
      sentAt = endedAt;
    }
  }
}

async function isGood(send: Send): Promise<boolean> {
  try {
    const { statusCode, body } = await send();
    await body.text();
    return statusCode === 200;
  } catch {
    return false;
  }
}

/** The nearest rank. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] as number;
}
