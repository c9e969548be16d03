/**
 * Passes when the service answers an HTTP request with an expected status and, where asked for, an expected
 * text in the body. One connection per check, closed after it: a kept one would say nothing about accepting
 * new callers.
 *
 * Redirects are not followed, cookies not kept, proxy variables not read. One deadline covers everything, and
 * no more of the answer is read than the verdict needs.
 */
import { Client, type Dispatcher, errors } from 'undici';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { formatHostPort } from '../../runtime/host-port.js';
import type { Logger } from '../../runtime/logger.js';
import { printable } from '../../runtime/printable.js';
import type { HttpProbeConfig, StatusRange } from '../config/config.js';
import { confirmedCutOff } from './confirmed.js';
import { connectionTo } from './connection.js';
import type { Network } from './dial.js';
import { checkWithin, type Probe } from './probe.js';
import { type Secured, secured } from './tls.js';
import { codeOf, cutOff, failing, passing, type Verdict, verdictOf } from './verdict.js';

/** The part of the body that is searched. */
export const MAX_BODY_BYTES = 64 * 1024;

const MAX_HEADER_BYTES = 16 * 1024;

/** How much of an unexpected body a reason shows. */
const SHOWN_BODY_LENGTH = 80;

export interface HttpContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly network: Network;
}

export async function httpProbe(config: HttpProbeConfig, context: HttpContext): Promise<Probe> {
  const { clock, logger, network } = context;
  const { dial: plain, hold } = connectionTo(config, network, clock);
  const { dial, authorities } = await secured(config, 'http/1.1', plain, logger);
  const what = `${config.method} ${config.path}`;
  return {
    name: config.name,
    type: 'http',
    pace: 'interval',
    deadlineMs: config.timeoutMs,
    hold,
    authorities,
    check: (signal) =>
      checkWithin(clock, config.timeoutMs, what, signal, async (signal) => {
        const client = clientFor(config, await dial(signal));
        try {
          return await judge(await send(client, config, signal), config);
        } catch (error) {
          return await confirmedCutOff(unreadable(error), plain, clock, signal);
        } finally {
          void client.destroy();
        }
      }),
  };
}

type Opened = Awaited<ReturnType<Secured['dial']>>;

/** A client for one request, on a connection that is open already. */
function clientFor(config: HttpProbeConfig, socket: Opened): Client {
  return new Client(`${config.tls === undefined ? 'http' : 'https'}://${formatHostPort(config)}`, {
    connect: (_options, connected) => queueMicrotask(() => connected(null, socket)),
    maxHeaderSize: MAX_HEADER_BYTES,
    // The check's own deadline ends every phase.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

async function send(
  client: Client,
  config: HttpProbeConfig,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const response = await client.request({
    method: config.method as Dispatcher.HttpMethod,
    path: config.path,
    headers: { 'user-agent': 'pilotfish', ...config.headers },
    // Sends `Connection: close`.
    reset: true,
    signal,
  });
  // The rest of a body that is not read to its end fails when the connection is closed, which concerns
  // nobody.
  response.body.on('error', () => {});
  return response;
}

async function judge(response: Dispatcher.ResponseData, config: HttpProbeConfig): Promise<Verdict> {
  const { statusCode, body } = response;
  const { expectStatus, expectBody } = config;
  if (!expectStatus.some(({ from, to }) => from <= statusCode && statusCode <= to)) {
    return failing(`expected status ${formatRanges(expectStatus)}, got ${statusCode}`);
  }
  if (expectBody === undefined) return passing(`status ${statusCode}`);
  const { found, start } = await search(body, expectBody);
  if (found) return passing(`status ${statusCode}, the body contains the expected text`);
  return failing(
    `expected a body that contains "${expectBody}", got "${printable(start, SHOWN_BODY_LENGTH)}"`,
  );
}

interface Found {
  readonly found: boolean;
  /** The beginning of what was read. */
  readonly start: string;
}

/** Reads until `text` appears, the body ends or the limit is reached. */
async function search(body: AsyncIterable<Buffer>, text: string): Promise<Found> {
  const wanted = Buffer.from(text);
  const buffer = Buffer.alloc(MAX_BODY_BYTES);
  let length = 0;
  let found = false;
  for await (const chunk of body) {
    const searchFrom = Math.max(0, length - wanted.length);
    length += chunk.copy(buffer, length);
    found = buffer.subarray(0, length).indexOf(wanted, searchFrom) !== -1;
    if (found || length === MAX_BODY_BYTES) break;
  }
  return { found, start: buffer.subarray(0, Math.min(length, SHOWN_BODY_LENGTH * 4)).toString('utf8') };
}

/** What the client could not read, said in our own words. */
function unreadable(error: unknown): Verdict {
  if (error instanceof errors.HTTPParserError) {
    return failing(`expected an HTTP answer, got something else: ${messageOf(error)}`);
  }
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return failing(`expected at most ${MAX_HEADER_BYTES} bytes of response headers, got more`);
  }
  return code === 'UND_ERR_SOCKET' ? cutOff() : verdictOf(error);
}

function formatRanges(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
