/**
 * A TCP proxy on loopback in front of a real server, which does on demand what networks do: latency, slicing, silence
 * one way or both ways, resets, refused connections, and an end at a chosen byte or reply. A stall keeps every
 * connection open and holds the bytes, ends of connections included, until `heal`, as a network that drops packets does;
 * new connections are accepted and are as silent.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FrameSplitter } from '../../registry/zookeeper/wire/frames.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';

/** `up` is towards the server. */
export type Direction = 'up' | 'down';

/** Further connections are refused: a fault must not become an endless loop of connections. */
const MOST_CONNECTIONS = 256;

interface Cut {
  readonly direction: Direction;
  remaining: number;
  readonly done: Deferred<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class FaultProxy implements AsyncDisposable {
  /** Every chunk passes this much later, in ms. */
  latencyMs = 0;
  /** No write is larger, in bytes. */
  sliceBytes: number = Number.POSITIVE_INFINITY;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  readonly #stalled: Record<Direction, Deferred<void> | undefined> = { up: undefined, down: undefined };
  #listener: Server | undefined;
  #port = 0;
  #accepted = 0;
  #cut: Cut | undefined;
  #lostReply: { nth: number; readonly done: Deferred<void> } | undefined;

  private constructor(target: string) {
    const [host = '', port] = target.split(':');
    this.#target = { host, port: Number(port) };
  }

  /** Resolves when it listens. @param target `host:port`. */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.#listen();
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Connections accepted since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Nothing passes any more in these directions, default both; nobody is told. */
  stall(...directions: readonly Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['up', 'down'] as const)) {
      this.#stalled[direction] ??= deferred<void>();
    }
  }

  /** Ends every connection by RST. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** As when the server's process is gone: connections are reset, and new ones refused until `heal`. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.reset();
  }

  /** Ends every connection once so many more bytes have passed in that direction; resolves when it has. Only once. */
  cutAfter(direction: Direction, bytes: number): Promise<void> {
    this.#cut = { direction, remaining: bytes, done: deferred<void>() };
    return this.#cut.done.promise;
  }

  /** On the next connection the n-th reply, the handshake's being the first, is lost together with the connection. */
  loseReply(nth: number): Promise<void> {
    this.#lostReply = { nth, done: deferred<void>() };
    return this.#lostReply.done.promise;
  }

  /** No fault any more: what was held passes, a refused port listens again, what was armed is disarmed. */
  async heal(): Promise<void> {
    this.latencyMs = 0;
    this.sliceBytes = Number.POSITIVE_INFINITY;
    this.#cut = undefined;
    this.#lostReply = undefined;
    for (const direction of ['up', 'down'] as const) {
      this.#stalled[direction]?.resolve();
      this.#stalled[direction] = undefined;
    }
    if (this.#listener === undefined) await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    for (const stalled of Object.values(this.#stalled)) stalled?.resolve();
  }

  async #listen(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    listener.maxConnections = MOST_CONNECTIONS;
    listener.listen(this.#port, '127.0.0.1');
    await once(listener, 'listening');
    this.#listener = listener;
    this.#port = (listener.address() as AddressInfo).port;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    for (const socket of [client, server]) socket.on('error', () => {});
    const up = this.#carry(client, server, 'up');
    const down = this.#carry(server, client, 'down');
    void Promise.all([up, down]).then(() => this.#pairs.delete(pair));
  }

  /** Until `from` ends; then its end is passed on like everything else. */
  async #carry(from: Socket, to: Socket, direction: Direction): Promise<void> {
    const pass = (bytes: Buffer): boolean => this.#pass(bytes, from, to, direction);
    const losing = direction === 'down' ? this.#losing(pass) : undefined;
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        for (const part of this.#slices(chunk)) {
          if (this.latencyMs > 0) await delay(this.latencyMs);
          await this.#stalled[direction]?.promise;
          if (!(losing ?? pass)(part)) return end(from, to);
        }
      }
      await this.#stalled[direction]?.promise;
      to.end();
    } catch {
      await this.#stalled[direction]?.promise;
      to.destroy();
    }
  }

  *#slices(chunk: Buffer): Generator<Buffer> {
    for (let at = 0; at < chunk.length; ) {
      const size = Math.min(this.sliceBytes, chunk.length - at);
      yield chunk.subarray(at, at + size);
      at += size;
    }
  }

  /** Returns false when this was the end of the connection. */
  #pass(bytes: Buffer, from: Socket, to: Socket, direction: Direction): boolean {
    const cut = this.#cut;
    if (cut?.direction !== direction || bytes.length < cut.remaining) {
      if (cut?.direction === direction) cut.remaining -= bytes.length;
      to.write(bytes);
      return true;
    }
    to.write(bytes.subarray(0, cut.remaining));
    this.#cut = undefined;
    cut.done.resolve();
    for (const pair of this.#pairs)
      if (pair.client !== from && pair.client !== to) end(pair.client, pair.server);
    return false;
  }

  /** Passes whole replies until the one that is to be lost; undefined when none is. */
  #losing(pass: (bytes: Buffer) => boolean): ((bytes: Buffer) => boolean) | undefined {
    const lost = this.#lostReply;
    this.#lostReply = undefined;
    if (lost === undefined) return undefined;
    let open = true;
    const frame = (reply: Buffer): void => {
      if (!open) return;
      open = --lost.nth > 0;
      const length = Buffer.alloc(4);
      length.writeInt32BE(reply.length);
      if (open) open = pass(Buffer.concat([length, reply]));
      else lost.done.resolve();
    };
    const splitter = new FrameSplitter({ frame, oversized: () => {} });
    return (bytes) => {
      splitter.feed(bytes);
      return open;
    };
  }
}

/** What was written goes out, then both sides end. */
function end(...sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.end(() => socket.destroy());
}
