/**
 * One connection to one server, from the dial to its end: TCP or TLS, the handshake, frames in and out. Knows nothing of
 * sessions beyond the handshake it is given.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { deferred } from '../../../runtime/deferred.js';
import { readTlsOptions } from '../../../runtime/tls-files.js';
import type { ZkAddress, ZkSecurity } from '../driver.js';
import { FrameSplitter } from './frames.js';
import { JuteError, JuteReader, JuteWriter } from './jute.js';
import { type ConnectReply, type ConnectRequest, readConnect, writeConnect } from './records.js';

export interface ConnectionHandlers {
  /** Bytes came, whatever they mean. */
  readonly activity: () => void;
  readonly frame: (frame: Buffer) => void;
  readonly oversized: (head: Buffer, bytes: number) => void;
}

/** Where an attempt failed: only a server that answers TCP can refuse a handshake. */
export class DialError extends Error {
  readonly stage: 'connect' | 'handshake';

  constructor(stage: 'connect' | 'handshake', cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'DialError';
    this.stage = stage;
  }
}

export class WireConnection {
  readonly #socket: Socket;
  /** Resolves when the connection has ended, with the reason. */
  readonly ended: Promise<Error>;
  readonly #ready = deferred<void>();
  readonly #handshake = deferred<ConnectReply>();
  #shaken = false;
  #handlers: ConnectionHandlers | undefined;
  /** Frames that came before anybody was there to handle them. */
  #early: Buffer[] = [];

  /** Listens from the very start, so that no event of the socket is ever missed. */
  private constructor({ host, port }: ZkAddress, tls: ConnectionOptions | undefined) {
    const end = deferred<Error>();
    const splitter = new FrameSplitter({
      frame: (frame) => this.#frame(frame),
      oversized: (head, bytes) => this.#oversized(head, bytes),
    });
    const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls });
    this.#socket = socket;
    this.ended = end.promise;
    socket.setNoDelay(true);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#ready.resolve());
    socket.on('data', (chunk: Buffer) => {
      this.#handlers?.activity();
      this.#guarded(() => splitter.feed(chunk));
    });
    socket.on('error', (error) => end.resolve(error));
    socket.once('close', () => end.resolve(new Error('the server closed the connection')));
    for (const waiting of [this.#ready, this.#handshake]) {
      waiting.promise.catch(() => {});
      void this.ended.then((error) => waiting.reject(error));
    }
  }

  /**
   * Connects and shakes hands. Rejects with a DialError; the signal ends it at any moment, and nothing is left open. A
   * reply that grants no timeout means that the session is expired.
   */
  static async open(
    address: ZkAddress,
    security: ZkSecurity,
    request: ConnectRequest,
    signal: AbortSignal,
  ): Promise<{ connection: WireConnection; reply: ConnectReply }> {
    let stage: DialError['stage'] = 'connect';
    let connection: WireConnection | undefined;
    const onAbort = (): void => connection?.destroy(signal.reason);
    try {
      const tls = security.tls && (await readTlsOptions(security.tls, address.name));
      signal.throwIfAborted();
      connection = new WireConnection(address, tls);
      signal.addEventListener('abort', onAbort, { once: true });
      await connection.#ready.promise;
      stage = 'handshake';
      return { connection, reply: await connection.#shakeHands(request) };
    } catch (error) {
      connection?.destroy();
      throw new DialError(stage, error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Who is given the frames, also those that came already. To be called once, after `open` resolved. */
  handle(handlers: ConnectionHandlers): void {
    const early = this.#early;
    this.#handlers = handlers;
    this.#early = [];
    this.#guarded(() => {
      for (const frame of early) this.#frame(frame);
    });
  }

  send(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  destroy(reason?: Error): void {
    this.#socket.destroy(reason);
  }

  #shakeHands(request: ConnectRequest): Promise<ConnectReply> {
    const writer = new JuteWriter();
    writeConnect(writer, request);
    this.send(writer.frame());
    return this.#handshake.promise;
  }

  #frame(frame: Buffer): void {
    if (this.#socket.destroyed) return;
    if (this.#handlers !== undefined) this.#handlers.frame(frame);
    else if (this.#shaken) this.#early.push(frame);
    else {
      this.#shaken = true;
      this.#handshake.resolve(readConnect(new JuteReader(frame)));
    }
  }

  #oversized(head: Buffer, bytes: number): void {
    if (this.#handlers === undefined) throw new JuteError('the answer to a handshake', `${bytes} bytes`);
    this.#handlers.oversized(head, bytes);
  }

  /** What cannot be read ends this connection and nothing else. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.destroy(error as Error);
    }
  }
}
