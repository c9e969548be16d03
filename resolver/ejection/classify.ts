/**
 * What an outcome says of the endpoint. Apart from the rest because callers disagree about it: a 404 is the caller's own
 * mistake in one service and a lost shard in another.
 */
import type { Outcome, OutcomeDetails } from '../policy.js';

/**
 * - `success`: it works.
 * - `failure`: one of several that make an outlier.
 * - `fatal`: an outlier at once.
 * - `neutral`: says nothing, as when the caller gave the request up.
 */
export type Verdict = 'success' | 'failure' | 'fatal' | 'neutral';

/** Called once for each request that ended. Must not throw. */
export type Classify = (outcome: Outcome, details: OutcomeDetails) => Verdict;

/** An error is a failure, a connection that nobody accepted fatal, a request that the caller gave up neutral. */
export const classifyOutcome: Classify = (outcome, { failure }) => {
  if (outcome === 'ok') return 'success';
  if (outcome === 'cancelled') return 'neutral';
  return failure === 'connect' ? 'fatal' : 'failure';
};
