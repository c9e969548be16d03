/** What we ask of a logger: pino's shape, which `console` satisfies as well. Libraries are silent unless given one. */

export type LogMethod = (fields: object, message: string) => void;

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

const ignore: LogMethod = () => {};

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
