/**
 * A caller at a steady rate that tries nothing twice: whatever a fleet loses while it is changed is a failed request
 * here. It sends by the clock, whether or not earlier requests have ended, and says how late it was itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import type { Pick, ServiceHandle } from '../../resolver/index.js';

export interface LoadOptions {
  readonly service: ServiceHandle;
  readonly perSecond: number;
}

export interface Failure {
  /** Undefined when there was no endpoint to pick. */
  readonly id: string | undefined;
  readonly reason: string;
  /** Since the start of the load. */
  readonly atMs: number;
}

export interface LoadReport {
  readonly sent: number;
  readonly failures: readonly Failure[];
  /** By how much requests were sent late, in milliseconds, sorted. */
  readonly latenessMs: readonly number[];
  /** From sending to the end of the answer, in milliseconds, sorted. */
  readonly latencyMs: readonly number[];
}

/** One request in nineteen, so that it is not always the same of twenty instances, is still in flight when that stops. */
const SLOW_EVERY = 19;
const SLOW_MS = 300;

const TICK_MS = 5;
const REQUEST_LIMIT_MS = 10_000;

export class Load {
  readonly #service: ServiceHandle;
  readonly #perSecond: number;
  readonly #agent = new Agent();
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #unfinished = new Set<Promise<void>>();
  readonly #inFlight = new Map<string, number>();
  readonly #failures: Failure[] = [];
  readonly #latenessMs: number[] = [];
  readonly #latencyMs: number[] = [];
  #sent = 0;
  #isStopped = false;

  /** Starts at once. The list must be ready. */
  constructor({ service, perSecond }: LoadOptions) {
    this.#service = service;
    this.#perSecond = perSecond;
    // Whatever has arrived is looked at first, as by a caller that is itself asked over the network.
    this.#timer = setInterval(() => setImmediate(() => this.#sendDue()), TICK_MS);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Requests to that instance that have not been answered yet. */
  inFlight(id: string): number {
    return this.#inFlight.get(id) ?? 0;
  }

  /** Resolves when so many requests have been sent. */
  async reaches(requests: number): Promise<void> {
    while (this.#sent < requests) await delay(TICK_MS);
  }

  /** Sends nothing more; resolves when everything that was sent has its end. */
  async stop(): Promise<LoadReport> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await Promise.all(this.#unfinished);
    await this.#agent.close();
    return {
      sent: this.#sent,
      failures: this.#failures,
      latenessMs: this.#latenessMs.toSorted((a, b) => a - b),
      latencyMs: this.#latencyMs.toSorted((a, b) => a - b),
    };
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  #sendDue(): void {
    if (this.#isStopped) return;
    for (let dueMs = this.#nextDueMs(); dueMs <= this.#elapsedMs; dueMs = this.#nextDueMs()) {
      this.#latenessMs.push(this.#elapsedMs - dueMs);
      this.#sent++;
      const request = this.#request(this.#sent % SLOW_EVERY === 0 ? SLOW_MS : 0);
      this.#unfinished.add(request);
      void request.then(() => this.#unfinished.delete(request));
    }
  }

  #nextDueMs(): number {
    return (this.#sent / this.#perSecond) * 1000;
  }

  async #request(ms: number): Promise<void> {
    const pick = this.#service.tryPick();
    if (pick === undefined) {
      this.#fail(undefined, `no endpoint: the list is ${this.#service.state}`);
      return;
    }
    const { id } = pick.instance;
    const startedAt = performance.now();
    this.#count(id, 1);
    try {
      await this.#answered(pick, ms);
      pick.done('ok');
      this.#latencyMs.push(performance.now() - startedAt);
    } catch (error) {
      pick.done('error');
      this.#fail(id, error instanceof Error ? error.message : String(error));
    } finally {
      this.#count(id, -1);
    }
  }

  async #answered({ endpoint: { host, port } }: Pick, ms: number): Promise<void> {
    const { statusCode, body } = await this.#agent.request({
      origin: `http://${host}:${port}`,
      path: `/?ms=${ms}`,
      method: 'GET',
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  }

  #count(id: string, change: number): void {
    this.#inFlight.set(id, this.inFlight(id) + change);
  }

  #fail(id: string | undefined, reason: string): void {
    this.#failures.push({ id, reason, atMs: Math.round(this.#elapsedMs) });
  }
}

/** The value below which that share of the sorted numbers lies; the greatest for 1. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
