/** A server that is not to be trusted: it takes every TLS connection it is given, and keeps all that it is told there. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/zookeeper/${name}.pem`, import.meta.url));
}

export class TlsTrap {
  readonly #server: Server;
  /** In clear, as the server reads it. */
  heard = Buffer.alloc(0);
  connections = 0;

  private constructor(certificate: string) {
    const pem = readFileSync(fixture(certificate));
    this.#server = createServer({ key: pem, cert: pem }, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        this.heard = Buffer.concat([this.heard, chunk]);
      });
      socket.on('error', () => {});
    });
    this.#server.on('connection', () => {
      this.connections++;
    });
  }

  static async start(certificate: string): Promise<TlsTrap> {
    const trap = new TlsTrap(certificate);
    trap.#server.listen(0, '127.0.0.1');
    await once(trap.#server, 'listening');
    return trap;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
