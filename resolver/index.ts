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
export { type ConnectOptions, connect, type RegistrySource } from './connect.js';
export type { Discovery, ServiceOptions, ServiceStatus } from './discovery.js';
export { random } from './policies/random.js';
export { roundRobin } from './policies/round-robin.js';
export {
  type Outcome,
  type OutcomeDetails,
  type Pick,
  type Picker,
  type PickRequest,
  type Policy,
  type PolicyContext,
  sameEndpoint,
} from './policy.js';
export type { ListChange, ServiceState } from './service-cache.js';
export type { ReadyOptions, ServiceHandle } from './service-handle.js';
