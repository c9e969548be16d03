/** Tries a call of a user again a few times: for calls that somebody waits for. Endless loops back off instead. */
import pRetry from 'p-retry';
import { isPilotfishError } from '../../runtime/errors.js';

/** Three attempts within about a second, then the caller hears of it. */
const RETRIES = { retries: 2, minTimeout: 100, factor: 3, randomize: true };

/** Safe only for calls that may be made twice. Only what may pass by itself is tried again. */
export function withRetries<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  return pRetry(call, {
    ...RETRIES,
    ...(signal === undefined ? {} : { signal }),
    shouldRetry: ({ error }) => isPilotfishError(error, 'UNAVAILABLE') || isPilotfishError(error, 'TIMEOUT'),
  });
}
