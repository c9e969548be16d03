/** `pilotfish weight`: another share of the traffic, without a new configuration. */
import { isWeight, MAX_WEIGHT } from '../../registry/instance.js';
import { describe, reject } from '../../runtime/expected.js';
import { ADMIN_HELP } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import type { Command } from '../command.js';
import { giveOrder, ID_HELP, INSTANCE_FLAGS, instanceIn } from '../operator-options.js';

export const command: Command = {
  help: `Give a service another share of the traffic; or the configured one again.

Usage: pilotfish weight <service> <N|default> [options]

${ID_HELP}
${ADMIN_HELP}

Examples:
  pilotfish weight orders 5
  pilotfish weight orders 0 --id orders-1
  pilotfish weight orders default

It survives a restart of the sidecar. Exit code 1 when the sidecar does not answer or knows no such service.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, INSTANCE_FLAGS, ['service', 'N|default']);
    const [service, text = ''] = positionals;
    const body = { ...instanceIn(flags, service), weight: weightOf(text) };
    return giveOrder('/v1/weight', body, flags, surroundings);
  },
};

/** Null for the configured one. */
function weightOf(text: string): number | null {
  if (text === 'default') return null;
  const weight = /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
  if (isWeight(weight)) return weight;
  return reject('N|default', `a number from 0 to ${MAX_WEIGHT}, or default`, describe(text));
}
