/**
 * A reload is a transaction: the whole configuration is read, checked and planned before anything is touched, and where
 * something is wrong everything stays as it is. Asked for a hundred times, it runs once or twice.
 */
import { coalesced } from '../runtime/coalesced.js';
import { messageOf } from '../runtime/errors.js';
import { BadInputError, formatProblem } from '../runtime/expected.js';
import type { Logger } from '../runtime/logger.js';
import type { LoadedConfig } from './config/load.js';

/** What came of a reload. Services as `<name>/<id>`. */
export interface ReloadReport {
  readonly added: readonly string[];
  /** These drain now. */
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
  /** What works and is most likely not meant, and what takes effect at the next start only. */
  readonly warnings: readonly string[];
}

/** Nothing was changed; each reason as *expected X, got Y, at path*. */
export interface ReloadFailure {
  readonly errors: readonly string[];
}

/** It was not tried: the sidecar is on its way out. */
export interface ReloadRefusal {
  readonly refused: string;
}

export type ReloadResult = ReloadReport | ReloadFailure | ReloadRefusal;

export interface ReloadParts {
  /** Reads the configuration again, as at the start. */
  readonly load: () => Promise<LoadedConfig>;
  /** Plans and applies it. Rejects with nothing changed. */
  readonly apply: (loaded: LoadedConfig) => Promise<ReloadReport>;
  /** Whether it is too late for one. */
  readonly isEnding: () => boolean;
  /** Told of each end. */
  readonly onEnd: (result: 'ok' | 'error') => void;
  readonly logger: Logger;
}

const REFUSAL: ReloadRefusal = { refused: 'the sidecar is on its way out and does not reload any more' };

/** The function that reloads. Each call's promise is that of a run which began after it. Never rejects. */
export function reloader(parts: ReloadParts): () => Promise<ReloadResult> {
  let last: ReloadResult = { errors: [] };
  const run = coalesced(async () => {
    const isNews = !('refused' in last);
    last = await reloadOnce(parts);
    if ('refused' in last && isNews) parts.logger.warn({}, last.refused);
  });
  return async () => {
    await run();
    return last;
  };
}

async function reloadOnce({ load, apply, isEnding, onEnd, logger }: ReloadParts): Promise<ReloadResult> {
  if (isEnding()) return REFUSAL;
  try {
    const report = await apply(await load());
    const { unchanged, ...rest } = report;
    logger.info({ ...rest, unchanged: unchanged.length }, 'reloaded the configuration');
    onEnd('ok');
    return report;
  } catch (error) {
    if (isEnding()) return REFUSAL;
    const errors = error instanceof BadInputError ? error.problems.map(formatProblem) : [messageOf(error)];
    logger.error({ errors }, 'could not reload the configuration: everything stays as it is');
    onEnd('error');
    return { errors };
  }
}
