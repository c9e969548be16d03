/** `pilotfish maintenance`: no traffic while somebody works on it, whatever the probes say. */
import { describe, reject } from '../../runtime/expected.js';
import { ADMIN_HELP } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import type { Command } from '../command.js';
import { giveOrder, instanceIn, ORDER_FLAGS, ORDER_HELP, orderIn } from '../operator-options.js';

export const command: Command = {
  help: `Keep callers away from a service while somebody works on it, whatever its probes say; or end that.

Usage: pilotfish maintenance <service> on|off [options]

${ORDER_HELP}
${ADMIN_HELP}

Examples:
  pilotfish maintenance orders on --reason "disk replacement" --for 30m
  pilotfish maintenance orders off
  pilotfish maintenance orders on --id orders-1 --who ann

It stays in the registry, as one in maintenance, with the reason. That survives a restart of the sidecar and ends by
itself. Exit code 1 when the sidecar does not answer or knows no such service.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, ORDER_FLAGS, ['service', 'on|off']);
    const [service, wanted] = positionals;
    const on = wanted === 'on';
    if (!on && wanted !== 'off') return reject('on|off', 'one of: on, off', describe(wanted));
    const order = on ? orderIn(flags, surroundings.env) : {};
    return giveOrder('/v1/maintenance', { ...instanceIn(flags, service), on, ...order }, flags, surroundings);
  },
};
