/** `pilotfish heartbeat`: tells the sidecar how the service is, for its `ttl` probe. */
import { request } from 'undici';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import { describe, reject } from '../../runtime/expected.js';
import { parseHostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK, type Surroundings } from '../command.js';
import { inTime, JSON_FLAG, serviceName, TIMEOUT_FLAG } from '../registry-options.js';

const STATUSES = ['pass', 'warn', 'fail'];
const DEFAULT_ADMIN = '127.0.0.1:9190';

export const command: Command = {
  help: `Send one heartbeat of a service to its sidecar.

Usage: pilotfish heartbeat <service> [pass|warn|fail] [options]

  --note TEXT    why, shown in the sidecar's status
  --admin URL    the sidecar (default $PILOTFISH_ADMIN, or http://${DEFAULT_ADMIN})
  --timeout D    give up after this long (default 5s)
  --json         one JSON document

Examples:
  pilotfish heartbeat orders
  pilotfish heartbeat orders warn --note "disk 91 % full"
  pilotfish heartbeat orders fail --admin http://127.0.0.1:9191

Exit code 1 when the sidecar does not answer or knows no such probe.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(
      args,
      { note: { type: 'string' }, admin: { type: 'string' }, ...TIMEOUT_FLAG, ...JSON_FLAG },
      ['service', '[status]'],
    );
    const service = serviceName(positionals[0]);
    const status = statusOf(positionals[1] ?? 'pass');
    const admin = adminUrl(typeof flags.admin === 'string' ? flags.admin : surroundings.env.PILOTFISH_ADMIN);
    const note = typeof flags.note === 'string' ? { note: flags.note } : {};
    await inTime(flags, `the heartbeat to ${admin}`, surroundings.stop, (signal) =>
      send(new URL(`/v1/heartbeat/${encodeURIComponent(service)}`, admin), { status, ...note }, signal),
    );
    report({ service, status, ...note }, flags.json === true, surroundings);
    return OK;
  },
};

function statusOf(text: string): string {
  return STATUSES.includes(text) ? text : reject('status', `one of: ${STATUSES.join(', ')}`, describe(text));
}

/** Accepts the URL and, as in the configuration, host:port. */
function adminUrl(text: string | undefined): string {
  const address = text?.replace(/^http:\/\//, '').replace(/\/$/, '') || DEFAULT_ADMIN;
  const isRight = (parseHostPort(address)?.port ?? 0) > 0;
  return isRight
    ? `http://${address}`
    : reject('--admin', 'a URL such as "http://127.0.0.1:9190"', describe(text));
}

async function send(url: URL, heartbeat: object, signal: AbortSignal): Promise<void> {
  const { statusCode, body } = await request(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(heartbeat),
    signal,
  }).catch((error: unknown) => {
    throw new PilotfishError(
      'UNAVAILABLE',
      `the sidecar at ${url.origin} does not answer: ${messageOf(error)}`,
    );
  });
  if (statusCode >= 200 && statusCode < 300) return body.dump();
  const reason = reasonIn(await body.text());
  throw new PilotfishError('UNAVAILABLE', `the sidecar at ${url.origin} answered ${statusCode}: ${reason}`);
}

/** The sidecar says `{ "error": … }`; whatever else listens there says anything. */
function reasonIn(body: string): string {
  const [, quoted] = /^\{"error":(".*")\}$/.exec(body.trim()) ?? [];
  return printable(quoted === undefined ? body.trim() : String(JSON.parse(quoted)));
}

function report(
  heartbeat: Readonly<Record<string, string>>,
  asJson: boolean,
  { stdout }: Surroundings,
): void {
  if (asJson) stdout.json(heartbeat);
  else stdout.line(`${heartbeat.service}: ${heartbeat.status}`);
}
