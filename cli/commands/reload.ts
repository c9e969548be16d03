/** `pilotfish reload`: the sidecar reads its configuration again. */
import { printable } from '../../runtime/printable.js';
import { ADMIN_FLAGS, ADMIN_HELP, withSidecar } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK, type Surroundings } from '../command.js';

interface Reloaded {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
  readonly warnings: readonly string[];
}

const KINDS = ['added', 'removed', 'changed', 'unchanged'] as const;

export const command: Command = {
  help: `Have the sidecar read its configuration again and apply what is different in it.

Usage: pilotfish reload [options]

${ADMIN_HELP}

Examples:
  pilotfish reload
  pilotfish reload --admin 127.0.0.1:9191 --json

Exit code 2 with everything that is wrong when the configuration cannot work: the old one stays in force, whole. Exit
code 1 when the sidecar does not answer.
`,
  run: async (args, surroundings) => {
    const { flags } = parseArguments(args, ADMIN_FLAGS);
    const call = { method: 'POST', path: '/v1/reload', body: {} } as const;
    const answer = (await withSidecar(flags, surroundings, (ask) => ask(call))) as Reloaded;
    if (flags.json === true) surroundings.stdout.json(answer);
    else show(answer, surroundings);
    return OK;
  },
};

function show(answer: Reloaded, { stdout, stderr }: Surroundings): void {
  for (const warning of answer.warnings) stderr.line(`pilotfish: warning: ${printable(warning, 1000)}`);
  for (const kind of KINDS) {
    const names = answer[kind];
    if (names.length > 0) stdout.line(`${kind}: ${printable(names.join(', '), 1000)}`);
  }
}
