/**
 * The sidecar's log: one JSON object a line. Whoever logs text from outside passes it through `printable` first; request
 * headers of probes may hold secrets and are blanked here, wherever they turn up.
 */
import { type DestinationStream, type LevelWithSilent, pino } from 'pino';
import { type Clock, systemClock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { LogLevel } from './config/config.js';
import { LogOutlet } from './log-outlet.js';
import { logTarget } from './log-target.js';

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

/** For what a slow reader has not read when the process ends. */
const FLUSH_LIMIT_MS = 1_000;

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  readonly stream: DestinationStream;
  readonly clock?: Clock;
}

export function createLogger({ level = 'info', stream, clock = systemClock }: LogOptions): Logger {
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

/** A logger with its way out. */
export interface Log {
  readonly logger: Logger;
  /** How many lines nobody will read. */
  readonly droppedLines: () => number;
  /** Gives a reader that is behind a second, and ends: what is logged afterwards is lost. To be called once. */
  readonly close: () => Promise<void>;
}

export interface OpenLogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** The descriptor: 1 or 2. */
  readonly fd: number;
}

/** No line waits for whoever reads the descriptor; see `log-outlet.ts`. */
export function openLog({ level, clock, fd }: OpenLogOptions): Log {
  const outlet = new LogOutlet(logTarget(fd), clock);
  const logger = createLogger({ level, clock, stream: outlet });
  outlet.onCaughtUp((dropped) =>
    logger.warn({ dropped }, 'lines of this log were dropped: whoever reads it had stopped'),
  );
  return {
    logger,
    droppedLines: () => outlet.droppedLines,
    close: async () => {
      await outlet.flush(FLUSH_LIMIT_MS);
      outlet.close();
    },
  };
}
