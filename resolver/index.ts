/** The public entry `pilotfish`: discover the endpoints of a service and pick one for each request. */
export type {
  Endpoint,
  Instance,
  InstanceStatus,
  RegistryReader,
  RegistryState,
  Rejection,
  Snapshot,
} from '../registry/contract.js';
export type { Change } from '../registry/snapshot.js';
export type { Clock } from '../runtime/clock.js';
export { type ErrorCode, isPilotfishError, PilotfishError } from '../runtime/errors.js';
export type { Event } from '../runtime/events.js';
export { BadInputError } from '../runtime/expected.js';
export type { Logger } from '../runtime/logger.js';
export { type Random, seededRandom } from '../runtime/random.js';
export type { AddressOptions } from './address-policy.js';
export { classifyFailure, type FailureVerdict } from './call/classify.js';
export type { RetryCounts } from './call/counters.js';
export type { Attempt, CallOptions, HedgeOptions, Work } from './call/options.js';
export { RetryBudget, type RetryBudgetOptions } from './call/retry-budget.js';
export type { EjectionMessage, ListMessage, PanicMessage, PickMessage } from './channels.js';
export type { Combination } from './combine.js';
export { type ConnectOptions, connect, type RegistrySource } from './connect.js';
export type { Discovery, ServiceOptions, ServiceStatus } from './discovery.js';
export { type Classify, classifyOutcome, type Verdict } from './ejection/classify.js';
export type { EjectionReason } from './ejection/endpoint-health.js';
export type { EjectionOptions, LatencyOptions, SampleOptions, SuccessRateOptions } from './ejection/rules.js';
export type { Excluded, ExclusionReason, ExplainedCandidate, Explanation } from './explain.js';
export { type FilterOptions, filtered } from './filters/filtered.js';
export type { Match } from './filters/match.js';
export { type SlowStartOptions, slowStart } from './filters/slow-start.js';
export { type SubsetOptions, subset } from './filters/subset.js';
export { type TierOptions, tiers } from './filters/tiers.js';
export { type ZoneOptions, zoneAware } from './filters/zone-aware.js';
export type { ServiceDispatcher } from './http/dispatcher.js';
export type { DispatcherOptions, RoutingOptions } from './http/options.js';
export type { DispatchRetryOptions } from './http/retry.js';
export type { ServiceNames } from './http/service-names.js';
export type { Held, HoldReason } from './list/hold.js';
export type { HoldOptions, ListOptions } from './list/options.js';
export type { ListChange } from './merged.js';
export { type ConsistentHashOptions, consistentHash, sticky } from './policies/consistent-hash.js';
export { EndpointStates } from './policies/endpoint-states.js';
export { leastLoaded } from './policies/least-loaded.js';
export { type PeakEwmaOptions, peakEwma } from './policies/peak-ewma.js';
export { random } from './policies/random.js';
export { roundRobin } from './policies/round-robin.js';
export {
  type Outcome,
  type OutcomeDetails,
  type Pick,
  type Picker,
  type PickerDescription,
  type PickRequest,
  type Policy,
  type PolicyContext,
  sameEndpoint,
} from './policy.js';
export type { ServiceState } from './service-cache.js';
export type { ReadyOptions, ServiceHandle } from './service-handle.js';
