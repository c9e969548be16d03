/** The resolver's errors: not resolved yet is not the same as no endpoints, and each says why. */
import type { Instance, InstanceStatus } from '../registry/contract.js';
import { messageOf, PilotfishError } from '../runtime/errors.js';
import type { SourceStatus } from './merged.js';
import type { ServiceCache } from './service-cache.js';

export function closedError(service: string): PilotfishError {
  return new PilotfishError('CLOSED', `the handle of ${service} is closed`);
}

/** Why a pick found nothing. @param context What was asked for, such as `within 10000 ms`. */
export function unusableError(cache: ServiceCache, context = ''): PilotfishError {
  const suffix = context === '' ? '' : ` ${context}`;
  return cache.snapshot === undefined
    ? new PilotfishError(
        'NOT_RESOLVED',
        `no list of ${cache.service}${suffix}: ${describeSources(cache.sources)}`,
      )
    : new PilotfishError('NO_ENDPOINTS', `${describeList(cache)}${suffix}`);
}

function describeList({ service, snapshot, pickable, state, refused, isTooOld }: ServiceCache): string {
  const noun = pickable.length === 1 ? 'endpoint' : 'endpoints';
  const parts = [
    `${service} has ${pickable.length} usable ${noun}`,
    counted(withStatus(snapshot?.instances, 'draining'), 'draining'),
    counted(withStatus(snapshot?.instances, 'maintenance'), 'in maintenance'),
    counted(refused.length, 'refused by the address policy'),
    state === 'stale' ? 'as last known: the registry cannot be watched' : '',
    state === 'snapshot' ? 'as saved in the snapshot file: no registry has answered' : '',
    isTooOld ? 'too old to be used' : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function counted(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}`;
}

function withStatus(instances: readonly Instance[] = [], wanted: InstanceStatus): number {
  return instances.filter(({ status }) => status === wanted).length;
}

function describeSources(sources: readonly SourceStatus[]): string {
  return sources
    .map(
      ({ url, state, error }) => `${url} is ${state}${error === undefined ? '' : ` (${messageOf(error)})`}`,
    )
    .join('; ');
}
