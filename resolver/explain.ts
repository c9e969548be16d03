/**
 * Why a pick goes where it goes: everything that is listed, what of it may be picked and what may not, and one pick of this
 * moment. Plain JSON, for status pages, logs and `pilotfish explain`.
 */
import type { Instance, InstanceStatus } from '../registry/contract.js';
import type { Clock } from '../runtime/clock.js';
import { formatHostPort } from '../runtime/host-port.js';
import type { Balancer } from './balancer.js';
import type { EjectionReason, EndpointHealth } from './ejection/endpoint-health.js';
import type { PickRequest } from './policy.js';
import type { ServiceCache, ServiceState } from './service-cache.js';

/** Why an instance is not picked. */
export type ExclusionReason =
  | 'invalid'
  | 'address'
  | 'maintenance'
  | 'draining'
  | 'weight 0'
  | 'too old'
  | 'ejected'
  | 'filter';

export interface ExplainedCandidate {
  readonly id: string;
  /** As host:port. */
  readonly endpoint: string;
  readonly weight: number;
  readonly status: InstanceStatus;
  readonly zone?: string;
  /** The registry lists it no more, see `ServiceHandle.held`. */
  readonly held?: true;
  /** What is wrong with an entry of it that makes no sense any more: it is listed as it was before. */
  readonly invalid?: string;
  /** Why callers found it bad, although it is not ejected: there are too many such, or the next request is its probe. */
  readonly outlier?: EjectionReason;
  /** What the policy goes by now, such as `inFlight`. */
  readonly facts: Readonly<Record<string, number>>;
}

export interface Excluded {
  /** The id, or the name of the entry in the registry where it is no valid instance. */
  readonly id: string;
  readonly endpoint?: string;
  readonly reason: ExclusionReason;
  /** The operator's note, what is wrong with the entry, why it is ejected, or which filter it is, such as `subset`. */
  readonly detail?: string;
  /** Until it may get a request again, in milliseconds; for one that is ejected. */
  readonly forMs?: number;
}

export interface Explanation {
  readonly service: string;
  readonly state: ServiceState;
  /** For how long the list has been unconfirmed. */
  readonly staleMs?: number;
  readonly policy: string;
  /** How it chooses. */
  readonly rule: string;
  /** Missing where ejection is off. In a panic nobody is ejected. */
  readonly ejection?: { readonly outliers: number; readonly ejected: number; readonly panic: boolean };
  readonly candidates: readonly ExplainedCandidate[];
  readonly excluded: readonly Excluded[];
  /** What a pick would give now; missing where it would give nothing. */
  readonly pick?: { readonly id: string; readonly endpoint: string };
  /** In a sentence, why that one. */
  readonly why: string;
}

/**
 * The pick is a real one, given back at once as cancelled: round-robin moves on by one. It is not counted, and no ejected
 * endpoint is probed by it.
 */
export function explain(
  cache: ServiceCache,
  balancer: Balancer,
  request: PickRequest | undefined,
  clock: Clock,
): Explanation {
  const picker = balancer.settledPicker;
  const { policy, rule, members } = picker.describe?.() ?? NOT_DESCRIBED;
  const health = balancer.healthy?.health;
  const ejected = health?.now().ejected ?? NOBODY;
  const listed = cache.snapshot?.instances ?? [];
  const healthOf = (instance: Instance): EndpointHealth | undefined => health?.healthOf(instance);
  const pickable = new Set(cache.pickable.map(({ id }) => id));
  const healthy = new Set(health?.pickable);
  const { leftOut } = balancer;
  const exclusionOf = (instance: Instance): Excluded | undefined => {
    if (!pickable.has(instance.id)) return excluded(instance, whyNotPickable(instance), instance.note);
    const found = healthOf(instance);
    if (found !== undefined && ejected.has(found) && !healthy.has(instance))
      return ejection(found, clock.now());
    if (members === undefined || instance.id in members) return undefined;
    return excluded(instance, 'filter', leftOut[instance.id]);
  };
  const exclusions = listed.map(exclusionOf);
  const held = new Set(cache.held.map(({ instance }) => instance.id));
  const invalid = new Map(cache.snapshot?.rejected.map(({ id, reason }) => [id, reason]));
  const candidates = listed
    .filter((_, at) => exclusions[at] === undefined)
    .map((instance) => candidate(instance, members?.[instance.id], healthOf(instance), { held, invalid }));
  const wanted = picker.pick(request);
  const pick = wanted ?? balancer.lastResort(request);
  pick?.done('cancelled');
  return {
    service: cache.service,
    state: cache.state,
    ...(cache.staleMs !== undefined && { staleMs: Math.round(cache.staleMs) }),
    policy,
    rule,
    ...(health !== undefined && { ejection: health.summary() }),
    candidates,
    excluded: [...exclusions.filter((each) => each !== undefined), ...unlisted(cache)],
    ...(pick !== undefined && { pick: { id: pick.instance.id, endpoint: formatHostPort(pick.endpoint) } }),
    why: why(pick?.instance.id, candidates.length, listed.length, wanted === undefined ? LAST_RESORT : rule),
  };
}

const NOT_DESCRIBED = { policy: 'unknown', rule: 'as its own code says', members: undefined };
const NOBODY: ReadonlySet<EndpointHealth> = new Set();
const LAST_RESORT = 'all that the filters leave are ejected, and are used all the same';

function whyNotPickable({ status, weight }: Instance): ExclusionReason {
  if (status === 'maintenance' || status === 'draining') return status;
  return weight === 0 ? 'weight 0' : 'too old';
}

function excluded({ id, endpoint }: Instance, reason: ExclusionReason, detail?: string): Excluded {
  return {
    id,
    endpoint: formatHostPort(endpoint),
    reason,
    ...(detail !== undefined && { detail }),
  };
}

function ejection({ instance, standing }: EndpointHealth, nowMs: number): Excluded {
  if (standing.kind === 'trusted') return excluded(instance, 'ejected');
  const untilMs = standing.kind === 'probing' ? standing.endsMs : standing.outlier.untilMs;
  const detail = standing.kind === 'probing' ? 'one request is finding out' : standing.outlier.reason;
  return { ...excluded(instance, 'ejected', detail), forMs: Math.max(0, Math.round(untilMs - nowMs)) };
}

function candidate(
  instance: Instance,
  facts: Readonly<Record<string, number>> = {},
  health: EndpointHealth | undefined,
  { held, invalid }: { held: ReadonlySet<string>; invalid: ReadonlyMap<string | undefined, string> },
): ExplainedCandidate {
  const { id, endpoint, weight, status, zone } = instance;
  const wrong = invalid.get(id);
  return {
    id,
    endpoint: formatHostPort(endpoint),
    weight,
    status,
    ...(zone !== undefined && { zone }),
    ...(held.has(id) && { held: true }),
    ...(wrong !== undefined && { invalid: wrong }),
    ...(health?.outlier !== undefined && { outlier: health.outlier.reason }),
    facts,
  };
}

/** What the registry has and the list does not. */
function unlisted({ snapshot, refused }: ServiceCache): readonly Excluded[] {
  const listed = new Set<string | undefined>(snapshot?.instances.map(({ id }) => id));
  const invalid = snapshot?.rejected.filter(({ id }) => id === undefined || !listed.has(id)) ?? [];
  return [
    ...invalid.map(({ entry, reason }): Excluded => ({ id: entry, reason: 'invalid', detail: reason })),
    ...refused.map(({ entry, reason }): Excluded => ({ id: entry, reason: 'address', detail: reason })),
  ];
}

function why(picked: string | undefined, candidates: number, listed: number, rule: string): string {
  const among = `${candidates} of ${listed} listed may be picked`;
  return picked === undefined ? `nothing is picked: ${among}` : `${picked}: ${rule}; ${among}`;
}
