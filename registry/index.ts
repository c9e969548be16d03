/** `pilotfish/registry`: the contract, `open(url)`, and what a backend of your own is made of. */
export { type Clock, systemClock } from '../runtime/clock.js';
export { type ErrorCode, isPilotfishError, PilotfishError } from '../runtime/errors.js';
export { Emitter, type Event } from '../runtime/events.js';
export { BadInputError, describe, type Problem, reject } from '../runtime/expected.js';
export { Latest } from '../runtime/latest.js';
export { type Logger, silentLogger } from '../runtime/logger.js';
export * from './contract.js';
export { decodeInstance, encodeInstance } from './formats/pilotfish.js';
export { type InstanceInput, isName, NAME_RULE, parseInstance, sameInstance } from './instance.js';
export {
  type BackendContext,
  checkUrl,
  type OpenOptions,
  open,
  openWritable,
  REGISTRY_SCHEMES,
} from './open.js';
export { type Change, diff, snapshotOf } from './snapshot.js';
export { type SupervisedOptions, SupervisedWatch, supervise, type WatchUpdate } from './supervised.js';
