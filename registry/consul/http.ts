/**
 * Reads from the agent over undici. Blocking queries need their own deadlines, so undici's are off; everything that
 * is not JSON with an expected status is an error, because a proxy's friendly page must never become an empty list.
 *
 * A list is whole in every answer, and 20 to 30 times smaller when it is packed, so an agent on another host is asked to
 * pack. One on this host is not: there bytes cost less than packing them, a third more time for every change.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Dispatcher, Pool } from 'undici';
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import type { ConnectionState } from '../connection-state.js';
import { tlsConnector } from '../tls-connector.js';
import type { ConsulSettings } from './settings.js';
import type { Token } from './token.js';

/** An instance is about 1.5 kB of JSON, so this is some 20,000 of them; beyond it the answer is cut off unread. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** How much of an error's text is worth reading. */
const MAX_ERROR_BYTES = 1024;

/** Unpacked at once, off the event loop: an answer of 1,000 instances in a handful of steps. */
const UNPACKED_CHUNK_BYTES = 256 * 1024;

/** An agent allows 200 connections per client address, and every process on the host shares them. */
const MAX_CONNECTIONS = 80;

export interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly json: unknown;
}

export interface GetOptions {
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Those whose body is an answer. Default 200 alone. */
  readonly statuses?: readonly number[];
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface HttpParts {
  readonly settings: ConsulSettings;
  readonly token: Token;
  readonly clock: Clock;
  readonly state: ConnectionState;
}

export class ConsulHttp {
  readonly #pool: Pool;
  readonly #parts: HttpParts;
  /** Whether answers are asked for in packed form. */
  readonly #packed: boolean;

  constructor(parts: HttpParts) {
    const { agent, tls } = parts.settings;
    this.#parts = parts;
    this.#packed = !isThisHost(agent.host);
    this.#pool = new Pool(`${tls === undefined ? 'http' : 'https'}://${formatHostPort(agent)}`, {
      connections: MAX_CONNECTIONS,
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(tls && { connect: tlsConnector(tls, agent.host) }),
    });
  }

  /** The JSON at `path`. Rejects DENIED, UNAVAILABLE, TIMEOUT, or with the signal's reason. */
  get(path: string, { query = {}, statuses = [200], deadlineMs, signal }: GetOptions): Promise<Answer> {
    const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const target = `${path}?${new URLSearchParams(given)}`;
    const { clock, state, token } = this.#parts;
    const attempt = (text: string | undefined): Promise<Answer> =>
      withDeadline(clock, deadlineMs, `GET ${path}`, signal, (link) =>
        this.#request(target, text, link)
          .then((answer) => readAnswer(answer, path, statuses))
          .catch((error) => {
            throw failure(error, path, link);
          }),
      );
    return state.track(signal, () => token.use(attempt));
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #request(path: string, token: string | undefined, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const headers = {
      accept: 'application/json',
      ...(this.#packed && { 'accept-encoding': 'gzip' }),
      ...(token !== undefined && { 'x-consul-token': token }),
    };
    return this.#pool.request({ method: 'GET', path, headers, signal });
  }
}

function isThisHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function failure(error: unknown, path: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (isPilotfishError(error)) return error;
  return new PilotfishError('UNAVAILABLE', `GET ${path} failed`, { cause: error });
}

async function readAnswer(
  answer: Dispatcher.ResponseData,
  path: string,
  statuses: readonly number[],
): Promise<Answer> {
  const { statusCode, headers } = answer;
  const body = unpacked(answer);
  if (!statuses.includes(statusCode))
    throw refusal(`GET ${path}`, statusCode, await readText(body, MAX_ERROR_BYTES));
  const type = String(headers['content-type'] ?? 'nothing');
  if (!/^application\/json\b/.test(type)) {
    await readText(body, MAX_ERROR_BYTES);
    throw new PilotfishError(
      'UNAVAILABLE',
      `expected JSON, got ${printable(type, 80)}, at the content type of GET ${path}`,
    );
  }
  const text = await readText(body, MAX_ANSWER_BYTES);
  if (text === undefined) {
    throw new PilotfishError(
      'UNAVAILABLE',
      `expected at most ${MAX_ANSWER_BYTES} bytes, got more, at GET ${path}`,
    );
  }
  return { headers, json: parseJson(text, path) };
}

/** Whichever of the two ends first ends the other. */
function unpacked({ headers, body }: Dispatcher.ResponseData): AsyncIterable<Buffer> {
  if (headers['content-encoding'] !== 'gzip') return body;
  return pipeline(body, createGunzip({ chunkSize: UNPACKED_CHUNK_BYTES }), () => {});
}

/** Everything `body` says, or undefined when it is longer than `limit`; leaving the loop then drops the rest. */
async function readText(body: AsyncIterable<Buffer>, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PilotfishError('UNAVAILABLE', `expected JSON, got ${messageOf(error)}, at GET ${path}`);
  }
}

/** The error for an answer with a status that is no success. */
export function refusal(what: string, status: number, text: string | undefined): PilotfishError {
  const said = text === undefined || text.trim() === '' ? '' : ` "${printable(text.trim(), 200)}"`;
  const code = status === 401 || status === 403 ? 'DENIED' : status === 400 ? 'BAD_INPUT' : 'UNAVAILABLE';
  return new PilotfishError(code, `expected 200, got ${status}${said}, at ${what}`);
}
