/**
 * The sidecar's own HTTP server, for the service beside it, for Prometheus and for people on this host. It is
 * reachable by any local process and by any web page in a local browser, hence the limits, the guard
 * (`admin-guard.ts`), no HTML and no CORS header. What it answers is a list of routes that others extend.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, sleep, systemClock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import { formatHostPort, type HostPort } from '../runtime/host-port.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import { type AllowedNames, allowedNames, refusal } from './admin-guard.js';

export interface AdminRequest {
  /** What the path holds in the place of `{name}`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  /** The body, of at most `MAX_BODY_BYTES`; empty when none was sent. */
  readonly body: Buffer;
}

export interface AdminReply {
  readonly status: number;
  /** Undefined for none, such as with 204. */
  readonly body?: { readonly type: string; readonly text: string };
}

export interface AdminRoute {
  /** `GET` answers `HEAD` as well. */
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Segments separated by slashes; one written `{name}` matches any and is handed over in `params`. */
  readonly path: string;
  /** May throw: the reply is then 500 and the error is logged. */
  readonly handle: (request: AdminRequest) => AdminReply | Promise<AdminReply>;
}

export interface AdminOptions extends HostPort {
  readonly routes: readonly AdminRoute[];
  readonly logger?: Logger;
  readonly clock?: Clock;
  /**
   * Names and addresses by which it may be asked, besides the loopback ones and its own. Without ports.
   * Default none. `any` is for a server on the network whose answers anybody may read.
   */
  readonly allowedHosts?: readonly string[] | 'any';
}

export interface Admin {
  /** With the port that was really taken. */
  readonly url: string;
  /** Accepts nothing new, ends idle connections at once and running requests within 500 ms. Idempotent. */
  readonly close: () => Promise<void>;
}

export const MAX_BODY_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 64;
const CLOSE_GRACE_MS = 500;

const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  // How often the two timeouts above are looked at; node's default of 30 s would make them meaningless.
  connectionsCheckingInterval: 1_000,
};

/** Listens. Rejects with the system's error when the address cannot be had. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { host, port, routes, logger = silentLogger, clock = systemClock, allowedHosts = [] } = options;
  const names = allowedHosts === 'any' ? allowedHosts : allowedNames([host, ...allowedHosts]);
  const server = createServer(LIMITS, (request, response) => {
    answer(routes, names, request)
      .catch((error: unknown) => failure(error, request, logger))
      .then((reply) => send(response, reply));
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, port);
  let closing: Promise<void> | undefined;
  return {
    url: `http://${formatHostPort({ host, port: (server.address() as AddressInfo).port })}`,
    close: () => {
      closing ??= close(server, clock);
      return closing;
    },
  };
}

export function json(status: number, value: unknown): AdminReply {
  return { status, body: { type: 'application/json; charset=utf-8', text: `${JSON.stringify(value)}\n` } };
}

export function problem(status: number, error: string): AdminReply {
  return json(status, { error });
}

type Reply = AdminReply & { readonly headers?: Readonly<Record<string, string>> };

async function answer(
  routes: readonly AdminRoute[],
  names: AllowedNames,
  request: IncomingMessage,
): Promise<Reply> {
  const refused = refusal(request.headers, names);
  if (refused !== undefined) return problem(403, refused);
  const path = (request.url ?? '').split('?', 1)[0] as string;
  const matches = routes.flatMap((route) => {
    const params = match(route.path, path);
    return params === undefined ? [] : [{ route, params }];
  });
  if (matches.length === 0) return problem(404, 'expected a known path');
  const found = matches.find(({ route }) => methodsOf(route).includes(request.method ?? ''));
  if (found === undefined) return wrongMethod(matches.map(({ route }) => route));
  const body = await readBody(request);
  if (body === undefined) return tooLarge();
  return found.route.handle({ params: found.params, contentType: request.headers['content-type'], body });
}

function methodsOf({ method }: AdminRoute): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

function wrongMethod(routes: readonly AdminRoute[]): Reply {
  const allow = routes.flatMap(methodsOf).join(', ');
  return { ...problem(405, `expected one of the methods ${allow}`), headers: { allow } };
}

/** The connection cannot be used again: the rest of the body is still on its way. */
function tooLarge(): Reply {
  return { ...problem(413, `expected at most ${MAX_BODY_BYTES} bytes`), headers: { connection: 'close' } };
}

/** The parameters of a path that fits the pattern; undefined when it does not fit. */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, segment] of wanted.entries()) {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    const value = given[i] as string;
    if (name === undefined && segment !== value) return undefined;
    if (name !== undefined) params[name] = decoded(value);
  }
  return params;
}

/** A segment that cannot be decoded stays as it is, and names nothing. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Undefined when it is too large; no more than the limit is kept. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** A client that went away in the middle of its request is not worth a line. */
function failure(error: unknown, request: IncomingMessage, logger: Logger): Reply {
  if (!request.destroyed || request.complete) {
    logger.error(
      { method: request.method, path: printable(request.url ?? ''), cause: printable(messageOf(error)) },
      'an admin request failed',
    );
  }
  return problem(500, 'internal error; the log says more');
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, {
    ...(body && { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(body?.text);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const patience = new AbortController();
  sleep(clock, CLOSE_GRACE_MS, patience.signal).then(
    () => server.closeAllConnections(),
    () => {},
  );
  await closed;
  patience.abort();
}
