/**
 * The servers of a simulated fleet as others see them: who can be reached, how fast each answers, and what it says of its
 * own load. Some balancers go by such reports: a server sums up every ten seconds how many requests it had, and for what
 * share of the time its processor was busy with them.
 */

/** How often a server sums up: the interval of moleculer's heartbeats and pings. */
export const REPORT_MS = 10_000;

export interface Report {
  readonly perSecond: number;
  /** From 0 to 1. */
  readonly utilization: number;
}

export interface Behaviour {
  /** To the first byte; undefined where no answer ever comes. */
  readonly latencyMs: number | undefined;
  /** Connections are refused at once. */
  readonly isDead?: boolean;
  /** Processor time of one request. Default: a tenth of the latency. */
  readonly workMs?: number;
  /** Never says how much it has to do. */
  readonly isSilent?: boolean;
}

export class Servers {
  readonly #behaviourOf: (id: string) => Behaviour;
  #requests = new Map<string, number>();
  #reports = new Map<string, Report>();

  constructor(behaviourOf: (id: string) => Behaviour) {
    this.#behaviourOf = behaviourOf;
  }

  behaviourOf(id: string): Behaviour {
    return this.#behaviourOf(id);
  }

  /** A request came in. */
  receive(id: string): void {
    this.#requests.set(id, (this.#requests.get(id) ?? 0) + 1);
  }

  /** Every server sums up what it did since the last time. */
  sumUp(): void {
    this.#reports = new Map([...this.#requests].map(([id, requests]) => [id, this.#summed(id, requests)]));
    this.#requests = new Map();
  }

  /** The last one; undefined before the first, and where there was nothing to report. */
  reportOf(id: string): Report | undefined {
    return this.#behaviourOf(id).isSilent ? undefined : this.#reports.get(id);
  }

  #summed(id: string, requests: number): Report {
    const { latencyMs = 0, workMs = latencyMs / 10 } = this.#behaviourOf(id);
    return {
      perSecond: (requests * 1000) / REPORT_MS,
      utilization: Math.min(1, (requests * workMs) / REPORT_MS),
    };
  }
}
