/**
 * undici, loaded when the first dispatcher is asked for: it costs some 50 ms and 12 MiB, and a caller that only picks
 * needs none of it. Loaded by `require`, because a dispatcher is handed out at once and not as a promise.
 */
import { createRequire } from 'node:module';
import type { Agent, buildConnector, Dispatcher, Pool } from 'undici';
import { PilotfishError } from '../../runtime/errors.js';

export interface Undici {
  readonly Agent: typeof Agent;
  readonly Dispatcher: typeof Dispatcher;
  readonly Pool: typeof Pool;
  readonly buildConnector: typeof buildConnector;
}

/** Throws DRIVER_MISSING where the package is not installed. */
export function loadUndici(): Undici {
  try {
    return createRequire(import.meta.url)('undici');
  } catch (error) {
    throw new PilotfishError('DRIVER_MISSING', "HTTP needs the package 'undici'", { cause: error });
  }
}
