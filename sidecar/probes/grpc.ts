/**
 * Passes when the service says SERVING by the standard health protocol of gRPC, `grpc.health.v1`: one unary call
 * over HTTP/2, which needs neither a gRPC library nor generated code. One connection per check, closed after it,
 * as for HTTP and for the same reason.
 */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { formatHostPort } from '../../runtime/host-port.js';
import type { Logger } from '../../runtime/logger.js';
import type { GrpcProbeConfig } from '../config/config.js';
import { confirmedCutOff } from './confirmed.js';
import { connectionTo } from './connection.js';
import type { Network } from './dial.js';
import { type GrpcAnswer, judgeAnswer } from './grpc-answer.js';
import { encodeRequest, MAX_ANSWER_BYTES } from './grpc-message.js';
import { checkWithin, type Probe } from './probe.js';
import { secured } from './tls.js';
import { codeOf, cutOff, failing, type Verdict, verdictOf } from './verdict.js';

const METHOD_PATH = '/grpc.health.v1.Health/Check';

/** Header lists above this are refused by the HTTP/2 client. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface GrpcContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly network: Network;
}

export async function grpcProbe(config: GrpcProbeConfig, context: GrpcContext): Promise<Probe> {
  const { clock, logger, network } = context;
  const { dial: plain, hold } = connectionTo(config, network, clock);
  const { dial, authorities } = await secured(config, 'h2', plain, logger);
  return {
    name: config.name,
    type: 'grpc',
    pace: 'interval',
    deadlineMs: config.timeoutMs,
    hold,
    authorities,
    check: (signal) =>
      checkWithin(clock, config.timeoutMs, METHOD_PATH, signal, async (signal) => {
        const session = sessionOn(await dial(signal), config);
        try {
          const answer = await call(session, config);
          if (answer !== undefined) return judgeAnswer(answer, config.service);
          return await confirmedCutOff(cutOff(), plain, clock, signal);
        } catch (error) {
          return await confirmedCutOff(unreadable(error), plain, clock, signal);
        } finally {
          session.destroy();
        }
      }),
  };
}

function urlOf(config: GrpcProbeConfig): URL {
  return new URL(`${config.tls === undefined ? 'http' : 'https'}://${formatHostPort(config)}`);
}

/** A session for one call, on a connection that is open already. */
function sessionOn(socket: Socket, config: GrpcProbeConfig): ClientHttp2Session {
  return connect(urlOf(config), {
    createConnection: () => socket,
    settings: { enablePush: false, maxHeaderListSize: MAX_HEADER_BYTES },
    maxSessionMemory: 1,
  });
}

/** Resolves with undefined when the connection or the call was closed before the answer was complete. */
function call(session: ClientHttp2Session, config: GrpcProbeConfig): Promise<GrpcAnswer | undefined> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request(headersFor(config));
    const chunks: Buffer[] = [];
    let length = 0;
    let head: IncomingHttpHeaders | undefined;
    let trailers: IncomingHttpHeaders = {};
    stream.on('error', reject);
    stream.on('response', (headers) => {
      head = headers;
    });
    stream.on('trailers', (headers) => {
      trailers = headers;
    });
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else reject(new Error(`expected an answer of at most ${MAX_ANSWER_BYTES} bytes, got more`));
    });
    stream.on('close', () => {
      const isComplete = head !== undefined && stream.readableEnded && stream.rstCode === 0;
      resolve(isComplete ? answerOf({ ...head, ...trailers }, Buffer.concat(chunks)) : undefined);
    });
    stream.end(encodeRequest(config.service));
  });
}

function headersFor(config: GrpcProbeConfig): Readonly<Record<string, string>> {
  return {
    ':method': 'POST',
    // Node leaves the brackets of an IPv6 address out.
    ':authority': formatHostPort(config),
    ':path': METHOD_PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'pilotfish',
    'grpc-timeout': `${Math.ceil(config.timeoutMs)}m`,
  };
}

function answerOf(headers: IncomingHttpHeaders, body: Buffer): GrpcAnswer {
  const text = (name: string): string | undefined => headers[name]?.toString();
  return {
    httpStatus: Number(headers[':status']),
    contentType: text('content-type'),
    grpcStatus: text('grpc-status'),
    grpcMessage: text('grpc-message'),
    body,
  };
}

/** What is no HTTP/2, said in our own words. */
function unreadable(error: unknown): Verdict {
  if (codeOf(error) !== 'ERR_HTTP2_ERROR') return verdictOf(error);
  return failing(`expected an answer over HTTP/2, got something else: ${messageOf(error)}`);
}
