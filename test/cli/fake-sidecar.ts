/** An admin server on loopback that answers what it is told to, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  /** What the JSON says; undefined for none. */
  readonly body: unknown;
}

/** The status, and what the JSON is to say; a text is sent as it is. */
export type Answer = readonly [status: number, body: unknown];

export interface FakeSidecar extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly asked: readonly Asked[];
}

/** @param answer called for each request; undefined keeps it waiting for ever. */
export async function fakeSidecar(answer: (asked: Asked) => Answer | undefined): Promise<FakeSidecar> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const one = await read(request);
    asked.push(one);
    const [status, body] = answer(one) ?? [];
    if (status === undefined) return;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function read(request: IncomingMessage): Promise<Asked> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  const { method, url: path, headers } = request;
  return {
    method,
    path,
    authorization: headers.authorization,
    body: text === '' ? undefined : JSON.parse(text),
  };
}
