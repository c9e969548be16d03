/** A fleet that is replaced by a new version, some instances at a time: what a registry lists in each second of it. */
import type { Second } from './simulated-cluster.js';

export interface Deploy {
  readonly instances: number;
  readonly atOnce: number;
  /** Seconds before the first batch, and after the last. */
  readonly calmS: number;
  /** True: each batch of new ones comes before the old ones go. False: after that, so that for a while some are missing. */
  readonly surge: boolean;
}

export interface DeployedInstance {
  readonly id: string;
  /** Still there, and no longer to be given anything. */
  readonly isLeaving: boolean;
}

/** Who is listed in each second. */
export type Timeline = readonly (readonly DeployedInstance[])[];

const BATCH_S = 5;

/** Who is there in each second of a batch: an old one, one that leaves, a new one. */
const REPLACED = [['leaving'], [], [], ['new'], ['new']] as const;
const SURGED = [['old', 'new'], ['old', 'new'], ['leaving', 'new'], ['new'], ['new']] as const;

/** From the first second to the last; each list is sorted by id. */
export function rollingDeploy(deploy: Deploy): Timeline {
  const batches = Math.ceil(deploy.instances / deploy.atOnce);
  const seconds = 2 * deploy.calmS + batches * BATCH_S;
  return Array.from({ length: seconds }, (_, second) => listAt(second, deploy));
}

function listAt(second: number, { instances, atOnce, calmS, surge }: Deploy): readonly DeployedInstance[] {
  return Array.from({ length: instances }, (_, n) => {
    const phase = second - calmS - Math.floor(n / atOnce) * BATCH_S;
    const present = phase < 0 ? ['old'] : ((surge ? SURGED : REPLACED)[phase] ?? ['new']);
    return present.map((which) => ({ id: idOf(n, which), isLeaving: which === 'leaving' }));
  }).flat();
}

function idOf(n: number, which: string): string {
  return `${`${n}`.padStart(2, '0')}-${which === 'new' ? 'v2' : 'v1'}`;
}

/** For each second the load of the busiest endpoint, as a multiple of what each has where all have the same. */
export function busiestOf(counts: readonly Second[], lists: Timeline): readonly number[] {
  return counts.map((second, at) => {
    const loads = Object.values(second);
    const takers = lists[at]?.filter(({ isLeaving }) => !isLeaving).length ?? 0;
    return (Math.max(...loads) * takers) / loads.reduce((sum, load) => sum + load, 0);
  });
}
