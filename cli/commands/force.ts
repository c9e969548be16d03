/** `pilotfish force`: up or down, whatever the probes say. */
import { describe, reject } from '../../runtime/expected.js';
import { ADMIN_HELP } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import type { Command } from '../command.js';
import { giveOrder, instanceIn, ORDER_FLAGS, ORDER_HELP, orderIn } from '../operator-options.js';

const STATES = ['up', 'down', 'auto'];

export const command: Command = {
  help: `Take a service for healthy or for unhealthy, whatever its probes say; or believe them again.

Usage: pilotfish force <service> up|down|auto [options]

${ORDER_HELP}
${ADMIN_HELP}

Examples:
  pilotfish force orders up --reason "the health check is broken, the service is not" --for 1h
  pilotfish force orders down --id orders-1
  pilotfish force orders auto

It survives a restart of the sidecar and ends by itself. Exit code 1 when the sidecar does not answer or knows no such
service.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, ORDER_FLAGS, ['service', 'up|down|auto']);
    const [service, to = ''] = positionals;
    if (!STATES.includes(to)) return reject('up|down|auto', `one of: ${STATES.join(', ')}`, describe(to));
    const order = to === 'auto' ? {} : orderIn(flags, surroundings.env);
    return giveOrder('/v1/force', { ...instanceIn(flags, service), to, ...order }, flags, surroundings);
  },
};
