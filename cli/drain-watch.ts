/** Waits for the end of drains, tells a person at a terminal of each phase, and knows where they stand at any time. */
import { sleep, systemClock } from '../runtime/clock.js';
import { isPilotfishError, PilotfishError } from '../runtime/errors.js';
import { printable } from '../runtime/printable.js';
import type { DrainStatus } from '../sidecar/service.js';
import type { Ask } from './admin-client.js';
import type { Output } from './output.js';
import { drainText } from './status-text.js';

const POLL_MS = 200;

/** What `/v1/drain` answers. */
export interface Drains {
  readonly services: readonly DrainStatus[];
}

export class DrainWatch {
  readonly #output: Output;
  readonly #told = new Map<string, string>();
  #last: Drains = { services: [] };

  /** @param output where the phases are told, if it is a terminal. */
  constructor(output: Output) {
    this.#output = output;
  }

  /** Asks until all of `begun` are drained. Rejects CONFLICT when one of them is taken back meanwhile. */
  async untilDrained(begun: Drains, ask: Ask, signal: AbortSignal): Promise<Drains> {
    this.#see(begun);
    while (this.#last.services.some(({ phase }) => phase !== 'drained')) {
      await sleep(systemClock, POLL_MS, signal);
      this.#see(sameIn(begun, (await ask({ method: 'GET', path: '/v1/drain' })) as Drains));
    }
    return this.#last;
  }

  /** Where they stand when the time is over, which is told; any other error goes on. */
  giveUp(error: unknown): Drains {
    if (!isPilotfishError(error, 'TIMEOUT') || this.#last.services.length === 0) throw error;
    this.#output.line(`pilotfish: ${error.message}`);
    return this.#last;
  }

  #see(drains: Drains): void {
    this.#last = drains;
    if (this.#output.isTerminal) for (const each of drains.services) this.#tell(each);
  }

  #tell(draining: DrainStatus): void {
    const name = drainName(draining);
    if (this.#told.get(name) === draining.phase || draining.phase === 'drained') return;
    this.#told.set(name, draining.phase);
    this.#output.line(this.#output.paint.dim(drainLine(draining)));
  }
}

export function drainName({ service, id }: DrainStatus): string {
  return printable(`${service} ${id}`, 500);
}

export function drainLine(draining: DrainStatus): string {
  return `${drainName(draining)}: ${printable(drainText(draining))}`;
}

function sameIn(begun: Drains, { services }: Drains): Drains {
  return {
    services: begun.services.map((one) => {
      const found = services.find(({ service, id }) => service === one.service && id === one.id);
      if (found !== undefined) return found;
      throw new PilotfishError('CONFLICT', `${drainName(one)} is no longer drained`);
    }),
  };
}
