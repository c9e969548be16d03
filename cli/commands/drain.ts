/** `pilotfish drain`: off the list, with its work finished first. */
import { printable } from '../../runtime/printable.js';
import type { Flags } from '../../sidecar/config/overrides.js';
import type { DrainStatus } from '../../sidecar/service.js';
import { ADMIN_HELP, withSidecar } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import { type Command, type ExitCode, FAILED, OK, type Surroundings } from '../command.js';
import { type Drains, DrainWatch, drainLine, drainName } from '../drain-watch.js';
import { ID_HELP, INSTANCE_FLAGS, instanceIn } from '../operator-options.js';

/** How long `--wait` waits where nobody says. */
const WAIT_TIMEOUT = '1m';

export const command: Command = {
  help: `Take a service off the list and let it finish its work.

Usage: pilotfish drain [service] [options]

  --wait                   until it has no more work, or its time for that is over; --timeout is then 1m
${ID_HELP}
${ADMIN_HELP}

Without a service, all of the sidecar's. They stay off the list until "pilotfish undrain", or a restart of the sidecar.

Examples:
  pilotfish drain orders --wait
  pilotfish drain orders --id orders-1
  pilotfish drain --wait --timeout 2m && systemctl stop orders

Exit code 1 when the time is over first, this command's or the sidecar's drainTimeout, when a registry has not confirmed
it, or when the sidecar does not answer.
`,
  run: async (args, surroundings) => {
    const options = { wait: { type: 'boolean' }, ...INSTANCE_FLAGS } as const;
    const { flags: given, positionals } = parseArguments(args, options, ['[service]']);
    const flags = given.wait === true ? { timeout: WAIT_TIMEOUT, ...given } : given;
    const body = instanceIn(flags, positionals[0]);
    const watch = new DrainWatch(surroundings.stderr);
    const drains = await withSidecar(flags, surroundings, async (ask, signal) => {
      const begun = (await ask({ method: 'POST', path: '/v1/drain', body })) as Drains;
      return flags.wait === true ? watch.untilDrained(begun, ask, signal) : begun;
    }).catch((error: unknown) => watch.giveUp(error));
    return report(drains, flags, surroundings);
  },
};

function report(drains: Drains, flags: Flags, { stdout, stderr }: Surroundings): ExitCode {
  if (flags.json === true) stdout.json(drains);
  else for (const each of drains.services) stdout.line(drainLine(each));
  if (flags.wait !== true) return OK;
  const missing = drains.services.flatMap((each) => {
    const what = whatIsMissing(each);
    return what === undefined ? [] : [`${drainName(each)}: ${printable(what, 1000)}`];
  });
  for (const line of missing) stderr.line(line);
  const isDone = drains.services.every(({ phase }) => phase === 'drained');
  return isDone && missing.length === 0 ? OK : FAILED;
}

/** Undefined when nothing is, as far as the drain has come. An older sidecar says nothing of `complete`. */
function whatIsMissing({ phase, complete, unconfirmed, inFlight }: DrainStatus): string | undefined {
  if (unconfirmed.length > 0) return `not confirmed by ${unconfirmed.join(', ')}`;
  if (phase !== 'drained' || complete !== false) return undefined;
  const work = inFlight === null ? '' : `, with ${inFlight} in flight`;
  return `its time was over before everything had its end${work}`;
}
