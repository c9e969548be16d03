/** `pilotfish status`: what the sidecar beside us knows of its services. */
import { systemClock } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import { ADMIN_FLAGS, ADMIN_HELP, withSidecar } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import { type Command, FAILED, OK } from '../command.js';
import { serviceName } from '../registry-options.js';
import { type StatusReport, statusLines } from '../status-text.js';

export const command: Command = {
  help: `Show what a sidecar knows of its services: health and its cause, orders, probes, registrations.

Usage: pilotfish status [service] [options]

${ADMIN_HELP}

  The last results of each probe, the newest on the right:  ✓ passed   ! warning   ✗ failed   ? our own fault

Examples:
  pilotfish status
  pilotfish status orders --json
  pilotfish status --admin unix:/run/pilotfish/admin.sock

Exit code 1 when a service is not healthy, not registered as it should be, or unknown, or no sidecar answers.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, ADMIN_FLAGS, ['[service]']);
    const service = positionals[0] === undefined ? undefined : serviceName(positionals[0]);
    const answer = await withSidecar(flags, surroundings, (ask) =>
      ask({ method: 'GET', path: '/v1/status' }),
    );
    const report = only(service, reportIn(answer));
    const { stdout } = surroundings;
    if (flags.json === true) stdout.json(report);
    else for (const line of statusLines(report, systemClock.wallNow(), stdout.paint)) stdout.line(line);
    return report.services.every(({ reasons }) => reasons.length === 0) ? OK : FAILED;
  },
};

function reportIn(answer: unknown): StatusReport {
  const { registries, services } = (answer ?? {}) as Partial<StatusReport>;
  if (Array.isArray(registries) && Array.isArray(services)) return { registries, services };
  throw new PilotfishError('UNAVAILABLE', 'expected the status of a sidecar, got something else');
}

function only(service: string | undefined, { registries, services }: StatusReport): StatusReport {
  if (service === undefined) return { registries, services };
  const found = services.filter(({ name }) => name === service);
  if (found.length > 0) return { registries, services: found };
  throw new PilotfishError('UNAVAILABLE', `no service ${service} in this sidecar`);
}
