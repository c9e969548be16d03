/** A member that says whatever a test wants, and counts what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { track } from '../sidecar/support.js';

export type Say = (body: string, response: ServerResponse, request: IncomingMessage) => void;

export interface FakeGateway extends AsyncDisposable {
  readonly address: string;
  /** How often each path was asked for, without `/v3/`. */
  readonly asked: ReadonlyMap<string, number>;
}

/** @param says by path without `/v3/`; a path that is missing is answered with 404. */
export async function startFakeGateway(says: Readonly<Record<string, Say>>): Promise<FakeGateway> {
  const asked = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace('/v3/', '');
    asked.set(path, (asked.get(path) ?? 0) + 1);
    let body = '';
    for await (const chunk of request) body += chunk;
    const say = says[path];
    if (say !== undefined) return say(body, response, request);
    response.writeHead(404, { 'content-type': 'text/plain' }).end('Not Found');
  });
  const { port, close } = await track(server);
  return { address: `127.0.0.1:${port}`, asked, [Symbol.asyncDispose]: close };
}

/** Answers with these objects, one a line, and keeps the answer open if it is told to. */
export function json(objects: readonly unknown[], { status = 200, open = false } = {}): Say {
  return (_body, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    for (const object of objects) response.write(`${JSON.stringify(object)}\n`);
    if (!open) response.end();
  };
}

export function text(said: string, { status = 200, type = 'application/json' } = {}): Say {
  return (_body, response) => void response.writeHead(status, { 'content-type': type }).end(said);
}

export const header = (revision: number, cluster_id = '77'): object => ({
  header: { cluster_id, revision: String(revision) },
});
