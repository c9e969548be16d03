/**
 * Counts what a client costs a server that speaks HTTP: a proxy that passes everything on, counts requests by what they
 * ask for, and every byte that the server sent, heads and framing included.
 */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type HostPort, parseHostPort } from '../runtime/host-port.js';
import type { StartProxy } from './traffic.js';

export interface HttpWords {
  /** What a request is called in the report. */
  readonly wordOf: (path: string) => string;
  /** What a line of an answer is called that the server sends by itself; undefined for a line that does not count. */
  readonly eventIn?: (line: string) => string | undefined;
}

export function startHttpProxy({ wordOf, eventIn }: HttpWords): StartProxy {
  return async (target) => {
    const { host, port } = parseHostPort(target) as HostPort;
    const agent = new Agent({ keepAlive: true });
    const upstreams = new Set<Socket>();
    let operations: Record<string, number> = {};
    let taken = 0;
    const count = (word: string): void => {
      operations[word] = (operations[word] ?? 0) + 1;
    };
    const pass = (asked: IncomingMessage, reply: ServerResponse): void => {
      const { method, url: path = '/', headers } = asked;
      count(wordOf(path));
      const upstream = request({ host, port, method, path, headers, agent });
      upstream.on('socket', (socket) => upstreams.add(socket));
      upstream.on('error', () => reply.destroy());
      upstream.on('response', (answer) => {
        reply.writeHead(answer.statusCode as number, answer.headers);
        answer.on('error', () => reply.destroy());
        if (eventIn !== undefined) countEvents(answer, eventIn, count);
        answer.pipe(reply);
      });
      reply.on('close', () => upstream.destroy());
      asked.pipe(upstream);
    };
    const server = createServer(pass);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return {
      address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      take: () => {
        const bytes = [...upstreams].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
        const traffic = { operations, bytesIn: bytes - taken };
        operations = {};
        taken = bytes;
        return traffic;
      },
      close: () => {
        server.close();
        server.closeAllConnections();
        agent.destroy();
      },
    };
  };
}

function countEvents(
  answer: IncomingMessage,
  eventIn: NonNullable<HttpWords['eventIn']>,
  count: (word: string) => void,
): void {
  let rest = '';
  answer.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) {
      const event = eventIn(line);
      if (event !== undefined) count(event);
    }
  });
}
