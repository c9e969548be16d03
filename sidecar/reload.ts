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

export interface ReloadParts {
  /** Reads the configuration again, as at the start. */
  readonly load: () => Promise<LoadedConfig>;
  /** Plans and applies it. Rejects with nothing changed. */
  readonly apply: (loaded: LoadedConfig) => Promise<ReloadReport>;
  /** Told of each end. */
  readonly onEnd: (result: 'ok' | 'error') => void;
  readonly logger: Logger;
}

/** The function that reloads. Each call's promise is that of a run which began after it. Never rejects. */
export function reloader(parts: ReloadParts): () => Promise<ReloadReport | ReloadFailure> {
  let last: ReloadReport | ReloadFailure = { errors: [] };
  const run = coalesced(async () => {
    last = await reloadOnce(parts);
  });
  return async () => {
    await run();
    return last;
  };
}

async function reloadOnce({
  load,
  apply,
  onEnd,
  logger,
}: ReloadParts): Promise<ReloadReport | ReloadFailure> {
  try {
    const report = await apply(await load());
    const { unchanged, ...rest } = report;
    logger.info({ ...rest, unchanged: unchanged.length }, 'reloaded the configuration');
    onEnd('ok');
    return report;
  } catch (error) {
    const errors = error instanceof BadInputError ? error.problems.map(formatProblem) : [messageOf(error)];
    logger.error({ errors }, 'could not reload the configuration: everything stays as it is');
    onEnd('error');
    return { errors };
  }
}
