/** What a caller may say about the life of a list, with the defaults, checked all at once. */
import type { Endpoint } from '../../registry/contract.js';
import type { Clock } from '../../runtime/clock.js';
import { describe, reject } from '../../runtime/expected.js';
import { checkNumbers } from '../check-numbers.js';
import { answersOnTcp } from './answers.js';
import type { HoldPlan } from './held-list.js';
import type { SnapshotPlan } from './snapshot-keeper.js';

export interface HoldOptions {
  /** For how long at most, in milliseconds. Default 90000: longer than a fleet takes to register anew. */
  readonly holdMs?: number;
  /**
   * What counts as most of the list, from 0 to 1: when more than this share vanishes within 10 s. Lower holds more often what was
   * taken out on purpose. Default 0.5.
   */
  readonly share?: number;
  /**
   * Whether an endpoint answers; one that does not is dropped at once. Asked every 5 s for each that is held, 64 at a time;
   * should give up after half a second, and when the signal aborts. Default: whether a TCP connection can be made.
   */
  readonly answers?: (endpoint: Endpoint, signal: AbortSignal) => Promise<boolean>;
}

export interface ListOptions {
  /**
   * What vanishes with most of the list stays in use while it answers; see `HoldOptions`. `false` believes the registry at
   * once. Default: held for 90 s.
   */
  readonly hold?: HoldOptions | false;
  /**
   * A directory, of this user alone, for files that hold the last list of each service, so that a process starts while the
   * registry is down. Many processes may share it. Default: none.
   */
  readonly snapshotDir?: string;
  /** A file that is older is ignored, in milliseconds. Default 24 hours. */
  readonly snapshotMaxAgeMs?: number;
  /** For how long `ready` waits for a registry before it takes the list from the file, in milliseconds. Default 1000. */
  readonly snapshotAfterMs?: number;
  /** A list that nobody has confirmed for so long is not used any more, in milliseconds. Default: it is used for ever. */
  readonly maxStaleMs?: number;
}

/** What a service cache needs to know of these options. */
export interface ListPlans {
  readonly hold: HoldPlan | undefined;
  readonly snapshots: SnapshotPlan | undefined;
  readonly maxStaleMs: number | undefined;
}

const DAY_MS = 86_400_000;

/** Throws BAD_INPUT for what makes no sense. */
export function listPlans(options: ListOptions, clock: Clock): ListPlans {
  const { hold = {}, snapshotDir, snapshotMaxAgeMs = DAY_MS, snapshotAfterMs = 1_000, maxStaleMs } = options;
  checkNumbers({
    snapshotMaxAgeMs: { value: snapshotMaxAgeMs, min: 0, max: Infinity },
    snapshotAfterMs: { value: snapshotAfterMs, min: 0, max: Infinity },
    maxStaleMs: { value: maxStaleMs ?? 0, min: 0, max: Infinity },
  });
  if (snapshotDir === '') reject('snapshotDir', 'a directory', describe(snapshotDir));
  const snapshots = { dir: snapshotDir ?? '', maxAgeMs: snapshotMaxAgeMs, afterMs: snapshotAfterMs };
  return {
    hold: hold === false ? undefined : holdPlan(hold, clock),
    snapshots: snapshotDir === undefined ? undefined : snapshots,
    maxStaleMs,
  };
}

function holdPlan({ holdMs = 90_000, share = 0.5, answers }: HoldOptions, clock: Clock): HoldPlan {
  checkNumbers({
    'hold.holdMs': { value: holdMs, min: 0, max: Infinity },
    'hold.share': { value: share, min: 0, max: 1 },
  });
  return { holdMs, share, answers: answers ?? answersOnTcp(clock) };
}
