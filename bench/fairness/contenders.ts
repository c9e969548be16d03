/** All that are compared, in the order of the tables. */
import { createRequire } from 'node:module';
import { ServiceBroker } from 'moleculer';
import type { Contender } from './contender.js';
import { GRPC_JS } from './grpc-js.js';
import { MOLECULER } from './moleculer.js';
import { PILOTFISH, SLOW_START } from './pilotfish.js';
import { UNDICI } from './undici.js';

export { SUBSET, SUBSET_SIZE } from './pilotfish.js';

/** The other libraries, each with its version. */
export const VERSIONS: readonly string[] = [
  versionOf('@grpc/grpc-js'),
  `moleculer ${ServiceBroker.MOLECULER_VERSION}`,
  versionOf('undici'),
];

const OTHERS: readonly Contender[] = [...GRPC_JS, ...MOLECULER, ...UNDICI];

export const ALL: readonly Contender[] = [...PILOTFISH, ...OTHERS];
/** Where it is about endpoints that are new. */
export const WITH_SLOW_START: readonly Contender[] = [...PILOTFISH, SLOW_START, ...OTHERS];

function versionOf(name: string): string {
  const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { readonly version: string };
  return `${name} ${version}`;
}
