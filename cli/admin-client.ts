/** What the commands that talk to a sidecar have in common: where it is, what it is shown, how its refusals are said. */

import { type ErrorCode, messageOf, PilotfishError } from '../runtime/errors.js';
import { describe, reject } from '../runtime/expected.js';
import { formatListenAddress, isSocketFile, parseListenAddress } from '../runtime/listen-address.js';
import { printable } from '../runtime/printable.js';
import { type AdminAnswer, type AdminCall, type AdminTarget, askAdmin } from '../sidecar/admin-request.js';
import { readBearerSecret } from '../sidecar/bearer.js';
import type { Flags } from '../sidecar/config/overrides.js';
import type { FlagOptions } from './arguments.js';
import type { Environment, Surroundings } from './command.js';
import { inTime, JSON_FLAG, TIMEOUT_FLAG } from './registry-options.js';

export const ADMIN_FLAGS = {
  admin: { type: 'string' },
  'admin-token-file': { type: 'string' },
  ...TIMEOUT_FLAG,
  ...JSON_FLAG,
} as const satisfies FlagOptions;

const DEFAULT_ADMIN = '127.0.0.1:9190';

export const ADMIN_HELP = `  --admin ADDRESS          the sidecar: a URL, host:port or unix:/path
                           (default $PILOTFISH_ADMIN, or http://${DEFAULT_ADMIN})
  --admin-token-file FILE  what it asks for (default $PILOTFISH_ADMIN_TOKEN_FILE, or nothing)
  --timeout D              give up after this long (default 5s)
  --json                   one JSON document`;

/** One request to the sidecar; resolves with what the JSON of its answer says, undefined for none. */
export type Ask = (call: AdminCall) => Promise<unknown>;

/**
 * Runs `work` under the command's one deadline. What it asks rejects UNAVAILABLE when no sidecar answers, DENIED when it
 * wants another token, BAD_INPUT when it finds fault with what was sent; `secret` goes instead of the admin token.
 */
export async function withSidecar<T>(
  flags: Flags,
  { env, stop }: Surroundings,
  work: (ask: Ask, signal: AbortSignal) => Promise<T>,
  secret?: string,
): Promise<T> {
  const target = { url: adminUrl(flags, env), token: secret ?? (await adminToken(flags, env)) };
  return inTime(flags, `asking the sidecar at ${target.url}`, stop, (signal) =>
    work((call) => ask(target, call, signal), signal),
  );
}

/** The secret in the file that a flag or else a variable names; undefined when neither does. */
export async function secretFrom(
  flags: Flags,
  env: Environment,
  flag: string,
  variable: string,
): Promise<string | undefined> {
  const given = flags[flag];
  if (typeof given === 'string') return readBearerSecret(given, `--${flag}`);
  return env[variable] ? readBearerSecret(env[variable], variable) : undefined;
}

function adminToken(flags: Flags, env: Environment): Promise<string | undefined> {
  return secretFrom(flags, env, 'admin-token-file', 'PILOTFISH_ADMIN_TOKEN_FILE');
}

/** Accepts the URL and, as in the configuration, host:port and unix:/path. */
function adminUrl(flags: Flags, env: Environment): string {
  const given = typeof flags.admin === 'string' ? flags.admin : env.PILOTFISH_ADMIN;
  const address = parseListenAddress(given?.replace(/^http:\/\//, '').replace(/\/$/, '') || DEFAULT_ADMIN);
  const isRight = address !== undefined && (isSocketFile(address) || address.port > 0);
  if (!isRight) return reject('--admin', 'host:port, its URL or unix:/path', describe(given));
  return `${isSocketFile(address) ? '' : 'http://'}${formatListenAddress(address)}`;
}

async function ask(target: AdminTarget, call: AdminCall, signal: AbortSignal): Promise<unknown> {
  const answer = await askAdmin(target, call, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new PilotfishError(
      'UNAVAILABLE',
      `the sidecar at ${target.url} does not answer: ${messageOf(error)}`,
    );
  });
  const content = contentOf(answer);
  if (answer.status < 200 || answer.status > 299) throw refusal(target, answer, content);
  if (content === undefined && answer.text !== '') {
    throw new PilotfishError(
      'UNAVAILABLE',
      `expected JSON from a sidecar, got something else at ${target.url}`,
    );
  }
  return content;
}

/** Undefined when it is no JSON. */
function contentOf({ text }: AdminAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** With the status where only that tells what is wrong. */
function refusal(target: AdminTarget, { status, text }: AdminAnswer, content: unknown): PilotfishError {
  const reasons = reasonsIn(content) ?? [text.trim()];
  const code = codeFor(status);
  const lines = reasons.map((reason) => printable(reason, 1000));
  if (code === 'BAD_INPUT') return new PilotfishError(code, lines.join('\n'));
  const hint = status === 401 ? ' (--admin-token-file names the file of the secret)' : '';
  return new PilotfishError(
    code,
    `the sidecar at ${target.url} answered ${status}: ${lines.join('; ')}${hint}`,
  );
}

function codeFor(status: number): ErrorCode {
  if (status === 400 || status === 422) return 'BAD_INPUT';
  if (status === 401 || status === 403) return 'DENIED';
  return status === 409 ? 'CONFLICT' : 'UNAVAILABLE';
}

/** A sidecar says `{ "error": … }` or `{ "errors": […] }`; whatever else listens there says anything. */
function reasonsIn(content: unknown): readonly string[] | undefined {
  if (typeof content !== 'object' || content === null) return undefined;
  const { error, errors } = content as { readonly error?: unknown; readonly errors?: unknown };
  if (Array.isArray(errors)) return errors.map(String);
  return error === undefined ? undefined : [String(error)];
}
