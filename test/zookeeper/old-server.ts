/**
 * Makes a server look older than it is: a proxy on the way to it changes the number of every request that such a server
 * does not know into one that no server knows. The server itself then refuses it as every server does: it answers in
 * order, and hangs up.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { FrameSplitter } from '../../registry/zookeeper/wire/frames.js';

const UNKNOWN_OPERATION = 999;

export class OldServer {
  readonly #server: Server;
  /** The operations that were refused, in order. */
  readonly refused: number[] = [];
  connections = 0;

  private constructor(address: string, unknown: readonly number[]) {
    const [host = '', port] = address.split(':');
    this.#server = createServer((client) => {
      this.connections++;
      const server = connect({ host, port: Number(port) });
      let greeted = false;
      const splitter = new FrameSplitter({
        frame: (frame) => {
          server.write(withLength(greeted ? this.#aged(frame, unknown) : frame));
          greeted = true;
        },
        oversized: () => {},
      });
      client.on('data', (chunk: Buffer) => splitter.feed(chunk));
      server.pipe(client);
      client.on('close', () => server.destroy());
      for (const socket of [client, server]) socket.on('error', () => client.destroy());
    });
  }

  /** In front of the server at `address`, one that does not know the operations in `unknown`. */
  static async start(address: string, unknown: readonly number[]): Promise<OldServer> {
    const old = new OldServer(address, unknown);
    old.#server.listen(0, '127.0.0.1');
    await once(old.#server, 'listening');
    return old;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** To be called when its clients are closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #aged(frame: Buffer, unknown: readonly number[]): Buffer {
    const operation = frame.readInt32BE(4);
    if (!unknown.includes(operation)) return frame;
    this.refused.push(operation);
    const aged = Buffer.from(frame);
    aged.writeInt32BE(UNKNOWN_OPERATION, 4);
    return aged;
  }
}

function withLength(frame: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(frame.length, 0);
  return Buffer.concat([length, frame]);
}
