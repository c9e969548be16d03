/** The resolver's errors: not resolved yet is not the same as no endpoints, and each says why. */
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

function describeList({ service, snapshot, state, refused }: ServiceCache): string {
  const known = snapshot?.instances.length ?? 0;
  const noun = known === 1 ? 'endpoint' : 'endpoints';
  const kept = refused.length === 0 ? '' : `, ${refused.length} refused by the address policy`;
  const age = state === 'stale' ? ', as last known: the registry cannot be watched' : '';
  return `${service} has ${known} usable ${noun}${kept}${age}`;
}

function describeSources(sources: readonly SourceStatus[]): string {
  return sources
    .map(
      ({ url, state, error }) => `${url} is ${state}${error === undefined ? '' : ` (${messageOf(error)})`}`,
    )
    .join('; ');
}
