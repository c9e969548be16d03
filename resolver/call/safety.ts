/** Whether a request that failed may be sent again: pure, because a wrong yes charges a customer twice. */
import type { AttemptFailure } from './attempt.js';
import type { FailureVerdict } from './classify.js';
import type { CallOptions } from './options.js';

/** What may be different at another endpoint. */
const PASSES_ELSEWHERE: readonly (FailureVerdict | undefined)[] = ['connect', 'timeout', 'reset', 'status'];

/** Safe when it was never sent or may be carried out twice; worth it when the error may pass. */
export function isRetryable(
  { error, verdict }: Pick<AttemptFailure, 'error' | 'verdict'>,
  { idempotent = false, isRetryable: asked }: Pick<CallOptions, 'idempotent' | 'isRetryable'>,
): boolean {
  if (!idempotent && verdict !== 'connect') return false;
  return asked?.(error) ?? PASSES_ELSEWHERE.includes(verdict);
}
