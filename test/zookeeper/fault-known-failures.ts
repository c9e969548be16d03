/**
 * The bars of the fault matrix that a driver misses, each with the reason. docs/faults.md says the same to people. Our own
 * driver may have none.
 */
import type { Driver } from '../helpers/zk-drivers.js';

export interface KnownFailure {
  readonly row: string;
  readonly driver: Exclude<Driver, 'wire'>;
  readonly bar: string;
  /** A race is lost only sometimes; what is always missed is asserted as missed. */
  readonly missed: 'always' | 'sometimes';
  readonly reason: string;
}

const ENDLESS_HANDSHAKES =
  'the C client takes a refused handshake for a bad connection and tries for ever with its old zxid; only a restart of ' +
  'the process ends that';

const LATE_EXPIRY =
  'the C client takes up to a second longer to tell that its session has expired, on top of the second over ' +
  'which a fleet is spread';

const TWO_TRANSACTIONS =
  'the binding has no multi: deletion and creation are two transactions, and who lists between their flushes sees neither';

const ABORT = 'the binding uses a poll handle that it is closing, and libuv aborts the process';

export const knownFailures: readonly KnownFailure[] = [
  ...[
    'registered again',
    'loud lines',
    'the caller knows',
    'an entry for each id, once',
    'owned by a live session',
  ].map(
    (bar) => ({ row: '9', driver: 'native', missed: 'always', bar, reason: ENDLESS_HANDSHAKES }) as const,
  ),
  { row: '2', driver: 'native', missed: 'sometimes', bar: 'registered again', reason: LATE_EXPIRY },
  { row: '28', driver: 'native', missed: 'sometimes', bar: 'registered again', reason: LATE_EXPIRY },
  ...['looks without the entry', 'lists without the entry'].map(
    (bar) => ({ row: '3', driver: 'native', missed: 'sometimes', bar, reason: TWO_TRANSACTIONS }) as const,
  ),
  ...['6', '30 up', '30 down'].map(
    (row) =>
      ({
        row,
        driver: 'native',
        missed: 'sometimes',
        bar: 'registered and connected',
        reason: LATE_EXPIRY,
      }) as const,
  ),
  { row: '14', driver: 'native', missed: 'sometimes', bar: 'the process goes on', reason: ABORT },
];
