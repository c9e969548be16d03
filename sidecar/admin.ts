/**
 * The sidecar's own HTTP server, for the service beside it, for Prometheus and for operators. It is reachable by any
 * local process and by any web page in a local browser, hence the limits, the guard (`admin-guard.ts`), the token, no
 * HTML and no CORS header. What it answers is a list of routes that others extend.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, sleep, systemClock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import { isSocketFile, type ListenAddress } from '../runtime/listen-address.js';
import { type Logger, silentLogger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import { kindOf } from './address-kind.js';
import { wrongContentType } from './admin-body.js';
import { type AllowedNames, allowedNames, refusal } from './admin-guard.js';
import { bind } from './admin-listen.js';
import { methodsOf, type RouteMatch, routesAt } from './admin-match.js';
import { type AdminReply, type AdminRoute, problem } from './admin-route.js';
import { bears } from './bearer.js';

export interface AdminOptions {
  readonly address: ListenAddress;
  readonly routes: readonly AdminRoute[];
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** What every request must carry as `Authorization: Bearer …`, but for the open routes. Default nothing. */
  readonly token?: string | undefined;
  /**
   * Names and addresses by which it may be asked, besides the loopback ones and its own. Without ports.
   * Default none. `any` is for a server on the network whose answers anybody may read. Over a unix socket, and where
   * a token protects an address that other hosts reach, any name will do.
   */
  readonly allowedHosts?: readonly string[] | 'any';
}

export interface Admin {
  /** `http://host:port` with the port that was really taken, or `unix:/path`. */
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

/** Listens. Rejects when the address cannot be had; see `bind`. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { address, logger = silentLogger, clock = systemClock } = options;
  const access = accessOf(options);
  const server = createServer(LIMITS, (request, response) => {
    answer(access, request)
      .catch((error: unknown) => failure(error, request, logger))
      .then((reply) => send(response, reply));
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { url, remove } = await bind(server, address);
  let closing: Promise<void> | undefined;
  return {
    url,
    close: () => {
      closing ??= close(server, clock).then(remove);
      return closing;
    },
  };
}

type Reply = AdminReply & { readonly headers?: Readonly<Record<string, string>> };

/** What is answered, and to whom. */
interface Access {
  readonly routes: readonly AdminRoute[];
  readonly token: string | undefined;
  readonly names: AllowedNames;
}

function accessOf(options: AdminOptions): Access {
  return { routes: options.routes, token: options.token, names: namesOf(options) };
}

/**
 * No browser reaches a unix socket, so a name in `Host` says nothing there. Other hosts call this one by names of their
 * own; there the token keeps web pages out, as none of them knows it.
 */
function namesOf({ address, token, allowedHosts = [] }: AdminOptions): AllowedNames {
  if (allowedHosts === 'any' || isSocketFile(address)) return 'any';
  const isRemote = token !== undefined && kindOf(address.host) !== 'loopback';
  return isRemote ? 'any' : allowedNames([address.host, ...allowedHosts]);
}

async function answer({ routes, token, names }: Access, request: IncomingMessage): Promise<Reply> {
  const refused = refusal(request.headers, names);
  if (refused !== undefined) return problem(403, refused);
  const { path, query } = partsOf(request.url ?? '');
  const matches = routesAt(routes, path);
  const found = matches.find(({ route }) => methodsOf(route).includes(request.method ?? ''));
  const secret = secretFor(found, token);
  if (secret !== undefined && !bears(request.headers.authorization, secret)) return unauthorized();
  if (found === undefined) return nothingThere(matches);
  return handle(found, query, request);
}

function partsOf(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '', ...rest] = url.split('?');
  return { path, query: new URLSearchParams(rest.join('?')) };
}

/** What the request must carry; where nothing is found, that is nobody's business without the token. */
function secretFor(found: RouteMatch | undefined, token: string | undefined): string | undefined {
  if (found?.route.isOpen === true) return undefined;
  return found?.route.secret?.(found.params) ?? token;
}

async function handle(
  { route, params }: RouteMatch,
  query: URLSearchParams,
  request: IncomingMessage,
): Promise<Reply> {
  const body = await readBody(request);
  if (body === undefined) return tooLarge();
  const refused = wrongContentType(request.method, request.headers['content-type'], body);
  return refused ?? route.handle({ params, query, body });
}

function unauthorized(): Reply {
  const expected = 'expected the right secret in a header "Authorization: Bearer …"';
  return { ...problem(401, expected), headers: { 'www-authenticate': 'Bearer' } };
}

function nothingThere(matches: readonly RouteMatch[]): Reply {
  if (matches.length === 0) return problem(404, 'expected a known path');
  const allow = matches.flatMap(({ route }) => methodsOf(route)).join(', ');
  return { ...problem(405, `expected one of the methods ${allow}`), headers: { allow } };
}

/** The connection cannot be used again: the rest of the body is still on its way. */
function tooLarge(): Reply {
  return { ...problem(413, `expected at most ${MAX_BODY_BYTES} bytes`), headers: { connection: 'close' } };
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
