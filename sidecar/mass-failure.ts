/**
 * When every service beside this sidecar falls silent in the same moment, the sidecar is the likelier culprit: its
 * network, its name service, its share of the CPU. Then nobody is taken off the list for one fall more.
 *
 * Only silence is doubted: a check that timed out, or could not be made. Whatever came back, be it an error page, a
 * reset or a refused port, came from the service's side and counts at once. So does the silence of heartbeats, which
 * the service itself has to break.
 */

import type { Prober } from './prober.js';
import type { CheckResult } from './probes/probe.js';

/** One service as far as this decision goes. */
export interface LocalService {
  readonly port: number;
  /** Still, at this moment: the one that is about to be taken off included. */
  readonly isListed: boolean;
  readonly isSilent: boolean;
}

/** Services on one port are one process. A single one is alone in every failure, which proves nothing. */
const LEAST_PORTS = 2;

/** Whether all that are listed fell silent. Those that were down before say nothing either way. */
export function isMassFailure(services: readonly LocalService[]): boolean {
  const listed = services.filter(({ isListed }) => isListed);
  const ports = new Set(listed.map(({ port }) => port));
  return ports.size >= LEAST_PORTS && listed.every(({ isSilent }) => isSilent);
}

/** Whether nothing came back from the service. */
export function isSilence({ status, failure }: CheckResult): boolean {
  return (
    status === 'unknown' || (status === 'failing' && (failure === 'timeout' || failure === 'unreachable'))
  );
}

/** Whether nothing came back from any scheduled check the last time; an advisory one that got an answer is proof too. */
export function fellSilent(probers: readonly Prober[]): boolean {
  const scheduled = probers.filter(({ probe }) => probe.pace === 'interval');
  return (
    scheduled.length > 0 &&
    scheduled.every(({ lastResult }) => lastResult !== undefined && isSilence(lastResult))
  );
}

/** The services of one sidecar, who ask about each other. */
export class Neighbours {
  readonly #members = new Set<{ readonly look: () => LocalService }>();

  /** The returned function takes it out again. */
  join(look: () => LocalService): () => void {
    const member = { look };
    this.#members.add(member);
    return () => this.#members.delete(member);
  }

  allFellSilent(): boolean {
    return isMassFailure([...this.#members].map(({ look }) => look()));
  }
}
