/**
 * What the environment says to us and what it says to the command. The port is written once: PORT, as most services
 * read it, is taken from `--port`, and is where the port comes from when nobody else names it.
 */
import { describe, reject } from '../../runtime/expected.js';
import type { SidecarConfig } from '../config/config.js';
import type { Environment, Flags } from '../config/overrides.js';
import { withoutServiceLinks } from '../config/service-links.js';
import { CONFIG_ENV } from '../config/settings.js';

/** Of systemd to us; the command would speak for a service that it is only a part of. */
const OURS = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];

/** The flags, with PORT as `--port` where neither a flag nor a variable of ours nor a file can name the port. */
export function flagsWithPort(flags: Flags, env: Environment): Flags {
  const isNamed = [flags.port, withoutServiceLinks(env).PILOTFISH_PORT, flags.config, env[CONFIG_ENV]].some(
    isGiven,
  );
  return isNamed || !isGiven(env.PORT) ? flags : { ...flags, port: portOf(env.PORT) };
}

/**
 * The command's environment: ours, with PORT from `--port`, or else as it was, or else from the file when that has one
 * service.
 */
export function childEnvironment(flags: Flags, env: Environment, { services }: SidecarConfig): Environment {
  const [only, second] = services;
  const fromFile = second === undefined ? only?.port : undefined;
  const port = [flags.port, withoutServiceLinks(env).PILOTFISH_PORT, env.PORT, fromFile].find(isGiven);
  const passedOn = Object.entries(env).filter(([name]) => !OURS.includes(name));
  return { ...Object.fromEntries(passedOn), ...(port !== undefined && { PORT: String(port) }) };
}

/** An empty variable is not set. */
function isGiven<T>(value: T | undefined): value is T {
  return value !== undefined && value !== '';
}

function portOf(text: string): string {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? text : reject('PORT', 'a port from 1 to 65535', describe(text));
}
