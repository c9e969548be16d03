/**
 * The sidecar's log: one JSON object a line on standard output. Whoever logs text from outside passes it
 * through `printable` first; request headers of probes may hold secrets and are blanked here, wherever they
 * turn up.
 */
import { type DestinationStream, destination, type LevelWithSilent, pino } from 'pino';
import { type Clock, systemClock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { LogLevel } from './config/config.js';

/**
 * Where headers stand in a probe, a service and a whole configuration, logged as they are or under a name.
 */
const SECRET_PATHS = [
  'headers',
  '*.headers',
  'probes[*].headers',
  '*.probes[*].headers',
  'services[*].probes[*].headers',
  '*.services[*].probes[*].headers',
];

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  /**
   * Default standard output, written synchronously: the last lines before an exit are the ones that count.
   */
  readonly stream?: DestinationStream;
  readonly clock?: Clock;
}

export function createLogger(options: LogOptions = {}): Logger {
  const { level = 'info', stream = destination({ fd: 1, sync: true }), clock = systemClock } = options;
  const settings = {
    level: level satisfies LevelWithSilent,
    base: null,
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date(clock.wallNow()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_PATHS, censor: '[redacted]' },
  };
  return pino(settings, stream);
}
