/**
 * The caller: a steady stream of requests, each to an endpoint that the resolver picks. A request that a dying
 * endpoint drops is sent once more, to another one, as any caller of an idempotent operation may.
 */
import type { Pick, ServiceHandle } from 'pilotfish';
import { Agent, request } from 'undici';

const TRIES = 3;
/** How often an endpoint that was not tried yet is looked for. */
const LOOKS = 10;

export interface EndpointTotals {
  picks: number;
  inFlight: number;
  /** Requests that this endpoint did not answer; they were sent to another one. */
  errors: number;
}

export interface CallerTotals {
  requests: number;
  /** Requests that no endpoint answered. */
  failed: number;
  retried: number;
}

export class Caller {
  readonly totals: CallerTotals = { requests: 0, failed: 0, retried: 0 };
  readonly endpoints = new Map<string, EndpointTotals>();
  readonly #service: ServiceHandle;
  readonly #agent = new Agent({ connect: { timeout: 1_000 }, headersTimeout: 2_000 });
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(service: ServiceHandle) {
    this.#service = service;
  }

  /** Sends `perSecond` requests a second until `stop`. A late timer is made up for at once. */
  start(perSecond: number): void {
    const startedAt = performance.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond);
      for (; sent < due; sent++) this.#send();
    }, 5);
  }

  /** Resolves when the last request was answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    await this.#agent.close();
  }

  /** What is known of one endpoint, by instance id. */
  of(id: string): EndpointTotals {
    const known = this.endpoints.get(id) ?? { picks: 0, inFlight: 0, errors: 0 };
    this.endpoints.set(id, known);
    return known;
  }

  #send(): void {
    this.totals.requests++;
    const running = this.#answered().then((answered) => {
      if (!answered) this.totals.failed++;
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  async #answered(): Promise<boolean> {
    const tried = new Set<string>();
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      if (await this.#try(tried)) return true;
      if (attempt < TRIES) this.totals.retried++;
    }
    return false;
  }

  async #try(tried: Set<string>): Promise<boolean> {
    const pick = this.#pickOther(tried);
    if (pick === undefined) return false;
    tried.add(pick.instance.id);
    const endpoint = this.of(pick.instance.id);
    endpoint.picks++;
    endpoint.inFlight++;
    try {
      const { host, port } = pick.endpoint;
      const { statusCode, body } = await request(`http://${host}:${port}/`, { dispatcher: this.#agent });
      await body.dump();
      pick.done(statusCode < 500 ? 'ok' : 'error');
      return statusCode < 500;
    } catch {
      endpoint.errors++;
      pick.done('error');
      return false;
    } finally {
      endpoint.inFlight--;
    }
  }

  /** Other requests pick meanwhile, so the next in turn may be the one that just failed: that one is passed over. */
  #pickOther(tried: ReadonlySet<string>): Pick | undefined {
    for (let look = 0; look < LOOKS; look++) {
      const pick = this.#service.tryPick();
      if (pick === undefined || !tried.has(pick.instance.id)) return pick;
      pick.done('cancelled');
    }
    return this.#service.tryPick();
  }
}
