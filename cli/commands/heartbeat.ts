/** `pilotfish heartbeat`: tells the sidecar how the service is, for its `ttl` probe. */
import { describe, reject } from '../../runtime/expected.js';
import { ADMIN_FLAGS, ADMIN_HELP, secretFrom, withSidecar } from '../admin-client.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK, type Surroundings } from '../command.js';
import { serviceName } from '../registry-options.js';

const STATUSES = ['pass', 'warn', 'fail'];

export const command: Command = {
  help: `Send one heartbeat of a service to its sidecar.

Usage: pilotfish heartbeat <service> [pass|warn|fail] [options]

  --note TEXT              why, shown in the sidecar's status
  --in-flight N            requests that the service is working on, for a drain
  --secret-file FILE       the service's own secret (default $PILOTFISH_HEARTBEAT_SECRET_FILE, or none)
${ADMIN_HELP}

Examples:
  pilotfish heartbeat orders
  pilotfish heartbeat orders warn --note "disk 91 % full"
  pilotfish heartbeat orders fail --admin http://127.0.0.1:9191

Exit code 1 when the sidecar does not answer or knows no such probe.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(
      args,
      {
        note: { type: 'string' },
        'in-flight': { type: 'string' },
        'secret-file': { type: 'string' },
        ...ADMIN_FLAGS,
      },
      ['service', '[status]'],
    );
    const service = serviceName(positionals[0]);
    const body = {
      status: statusOf(positionals[1] ?? 'pass'),
      ...(typeof flags.note === 'string' && { note: flags.note }),
      ...(typeof flags['in-flight'] === 'string' && { inFlight: countOf(flags['in-flight']) }),
    };
    const secret = await secretFrom(
      flags,
      surroundings.env,
      'secret-file',
      'PILOTFISH_HEARTBEAT_SECRET_FILE',
    );
    const call = { method: 'PUT', path: `/v1/heartbeat/${encodeURIComponent(service)}`, body } as const;
    await withSidecar(flags, surroundings, (ask) => ask(call), secret);
    report({ service, ...body }, flags.json === true, surroundings);
    return OK;
  },
};

function statusOf(text: string): string {
  return STATUSES.includes(text) ? text : reject('status', `one of: ${STATUSES.join(', ')}`, describe(text));
}

function countOf(text: string): number {
  const isRight = /^\d{1,9}$/.test(text);
  return isRight ? Number(text) : reject('--in-flight', 'a whole number from 0', describe(text));
}

interface Sent {
  readonly service: string;
  readonly status: string;
}

function report(heartbeat: Sent, asJson: boolean, { stdout }: Surroundings): void {
  if (asJson) stdout.json(heartbeat);
  else stdout.line(`${heartbeat.service}: ${heartbeat.status}`);
}
