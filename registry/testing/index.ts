/**
 * `pilotfish/testing`: for whoever writes a backend or a policy, or tests code that uses one. The contract suites are
 * plain lists of named async functions, so any test runner can run them.
 */
export { type Random, seededRandom } from '../../runtime/random.js';
export { VirtualClock } from '../../runtime/virtual-clock.js';
export {
  type ContractCase,
  freshService,
  instanceOf,
  type ReaderHarness,
  type RegistryHarness,
} from './harness.js';
export { readerContract } from './reader-contract.js';
export { registryContract } from './registry-contract.js';
