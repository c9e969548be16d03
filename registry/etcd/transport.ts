/**
 * HTTP to one member over undici. Calls, heartbeats and streams have connections of their own: a heartbeat never waits
 * behind a thousand registrations, and a stream holds its connection for as long as it lasts.
 */
import { type Dispatcher, Pool } from 'undici';
import { PilotfishError } from '../../runtime/errors.js';
import { type Fields, fieldsOf } from '../../runtime/fields.js';
import { formatHostPort, type HostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import type { TlsFiles } from '../../runtime/tls-files.js';
import { tlsConnector } from '../tls-connector.js';
import { EtcdRefusal, refusalOf } from './refusal.js';

export type Lane = 'calls' | 'beats' | 'streams';

/** More than a page of the largest entries that are read; beyond it an answer, or a line of a stream, is cut off unread. */
const MAX_ANSWER_BYTES = 48 * 1024 * 1024;
const MAX_ERROR_BYTES = 4096;

/** More wait for their turn before their deadlines begin. */
export const CALLS_AT_ONCE = 16;
/** Null means as many as are asked for. */
const CONNECTIONS: Readonly<Record<Lane, number | null>> = { calls: CALLS_AT_ONCE, beats: 2, streams: null };

export interface PostOptions {
  readonly token: string | undefined;
  readonly lane: Lane;
  /** A member without leader then says so, and does not go on as if nothing could change. */
  readonly requireLeader: boolean;
  readonly signal: AbortSignal;
}

export class Transport {
  /** `host:port`. */
  readonly name: string;
  readonly #pools: Readonly<Record<Lane, Pool>>;

  constructor(member: HostPort, tls: TlsFiles | undefined, connectMs: number) {
    this.name = formatHostPort(member);
    const timeout = connectMs;
    const pool = (connections: number | null): Pool =>
      new Pool(`${tls === undefined ? 'http' : 'https'}://${this.name}`, {
        connections,
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: tls === undefined ? { timeout } : tlsConnector(tls, member.host, { timeout }),
      });
    const { calls, beats, streams } = CONNECTIONS;
    this.#pools = { calls: pool(calls), beats: pool(beats), streams: pool(streams) };
  }

  /** The JSON object that answers. Rejects UNAVAILABLE, an EtcdRefusal, or with the signal's reason. */
  async call(path: string, body: Fields, options: PostOptions): Promise<Fields> {
    try {
      const answer = await this.#post(path, body, options);
      return parseLine(await readText(answer.body, MAX_ANSWER_BYTES, path), path);
    } catch (error) {
      throw this.#failure(error, path, options.signal);
    }
  }

  /** The objects of an endless answer as they come. Resolves when it has begun. */
  async stream(path: string, body: Fields, options: PostOptions): Promise<AsyncGenerator<Fields, void>> {
    try {
      const answer = await this.#post(path, body, options);
      return this.#lines(answer.body, path, options.signal);
    } catch (error) {
      throw this.#failure(error, path, options.signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#pools).map((pool) => pool.destroy()));
  }

  async #post(
    path: string,
    body: Fields,
    { token, lane, requireLeader, signal }: PostOptions,
  ): Promise<Dispatcher.ResponseData> {
    const answer = await this.#pools[lane].request({
      method: 'POST',
      path: `/v3/${path}`,
      headers: {
        'content-type': 'application/json',
        ...(requireLeader ? { 'grpc-metadata-hasleader': 'true' } : {}),
        ...(token === undefined ? {} : { authorization: token }),
      },
      body: JSON.stringify(body),
      signal,
    });
    if (answer.statusCode !== 200) throw await readRefusal(answer, path);
    assertJson(answer, path);
    return answer;
  }

  async *#lines(
    body: AsyncIterable<Buffer>,
    path: string,
    signal: AbortSignal,
  ): AsyncGenerator<Fields, void> {
    let rest: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of body) {
        rest = Buffer.concat([rest, chunk]);
        for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
          yield parseLine(rest.toString('utf8', 0, end), path);
          rest = rest.subarray(end + 1);
        }
        if (rest.length > MAX_ANSWER_BYTES) throw tooLong(path);
      }
    } catch (error) {
      throw this.#failure(error, path, signal);
    }
  }

  #failure(error: unknown, path: string, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof PilotfishError) return error;
    return new PilotfishError('UNAVAILABLE', `${path} at etcd ${this.name} failed`, { cause: error });
  }
}

async function readRefusal(answer: Dispatcher.ResponseData, path: string): Promise<PilotfishError> {
  const what = `${path} was answered with ${answer.statusCode}`;
  const text = await readText(answer.body, MAX_ERROR_BYTES, path).catch(() => '');
  try {
    return refusalOf(JSON.parse(text), what);
  } catch {
    if (answer.statusCode !== 404) return new EtcdRefusal('unavailable', `${what}: ${printable(text, 80)}`);
    return new EtcdRefusal(
      'unavailable',
      `${what}: expected the JSON gateway of etcd 3.4 or later; is it switched off?`,
    );
  }
}

function assertJson({ headers, body }: Dispatcher.ResponseData, path: string): void {
  const type = String(headers['content-type'] ?? 'nothing');
  if (/^application\/json\b/.test(type)) return;
  body.on('error', () => {}).destroy();
  throw new PilotfishError(
    'UNAVAILABLE',
    `expected JSON, got ${printable(type, 80)}, at the content type of ${path}`,
  );
}

async function readText(body: AsyncIterable<Buffer>, limit: number, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limit) throw tooLong(path);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** One object; a stream, and a call that is one to etcd, wraps what it says in `result`. */
function parseLine(text: string, path: string): Fields {
  const parsed = parseJson(text, path);
  if (parsed.error !== undefined) throw refusalOf(parsed, path);
  return parsed.result === undefined ? parsed : fieldsOf(parsed.result);
}

function parseJson(text: string, path: string): Fields {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    throw new PilotfishError(
      'UNAVAILABLE',
      `expected JSON, got "${printable(text, 80)}", at the answer of ${path}`,
    );
  }
}

function tooLong(path: string): PilotfishError {
  return new PilotfishError(
    'UNAVAILABLE',
    `expected at most ${MAX_ANSWER_BYTES} bytes, got more, at the answer of ${path}`,
  );
}
