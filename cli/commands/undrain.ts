/** `pilotfish undrain`: back on the list, as the probes say. */
import { printable } from '../../runtime/printable.js';
import { ADMIN_HELP, withSidecar } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK } from '../command.js';
import { ID_HELP, INSTANCE_FLAGS, instanceIn } from '../operator-options.js';

export const command: Command = {
  help: `End a drain: the service is listed again as soon as its probes say so.

Usage: pilotfish undrain [service] [options]

${ID_HELP}
${ADMIN_HELP}

Examples:
  pilotfish undrain
  pilotfish undrain orders --id orders-1

Exit code 1 when the sidecar does not answer or knows no such service.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, INSTANCE_FLAGS, ['[service]']);
    const body = instanceIn(flags, positionals[0]);
    const answer = (await withSidecar(flags, surroundings, (ask) =>
      ask({ method: 'POST', path: '/v1/undrain', body }),
    )) as { readonly services: readonly string[] };
    const { stdout } = surroundings;
    if (flags.json === true) stdout.json(answer);
    else for (const name of answer.services) stdout.line(`${printable(name)}: no longer drained`);
    return OK;
  },
};
