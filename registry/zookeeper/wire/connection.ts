/**
 * One connection to one server, from the dial to its end: TCP or TLS, the handshake, frames in and out. Knows nothing of
 * sessions beyond the handshake it is given.
 */
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from 'node:tls';
import { deferred } from '../../../runtime/deferred.js';
import type { ZkAddress, ZkSecurity } from '../driver.js';
import { FrameSplitter } from './frames.js';
import { JuteReader, JuteWriter } from './jute.js';
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
  #handlers: ConnectionHandlers | undefined;
  #handshake = deferred<ConnectReply>();

  private constructor(socket: Socket) {
    const end = deferred<Error>();
    const splitter = new FrameSplitter({
      frame: (frame) => this.#frame(frame),
      oversized: (head, bytes) => this.#handlers?.oversized(head, bytes),
    });
    this.#socket = socket;
    this.ended = end.promise;
    socket.on('data', (chunk: Buffer) => {
      this.#handlers?.activity();
      this.#guarded(() => splitter.feed(chunk));
    });
    socket.once('error', (error) => end.resolve(error));
    socket.once('close', () => end.resolve(new Error('the server closed the connection')));
    void this.ended.then((error) => this.#handshake.reject(error));
    this.#handshake.promise.catch(() => {});
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
    const socket = await dial(address, security, signal).catch((error: unknown) => {
      throw new DialError('connect', error);
    });
    const connection = new WireConnection(socket);
    const onAbort = (): void => connection.destroy(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const writer = new JuteWriter();
      writeConnect(writer, request);
      connection.send(writer.frame());
      return { connection, reply: await connection.#handshake.promise };
    } catch (error) {
      connection.destroy();
      throw new DialError('handshake', error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Who is given the frames from now on; to be set as soon as `open` resolves. */
  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
  }

  send(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  destroy(reason?: Error): void {
    this.#socket.destroy(reason);
  }

  #frame(frame: Buffer): void {
    if (this.#handlers !== undefined) this.#handlers.frame(frame);
    else this.#handshake.resolve(readConnect(new JuteReader(frame)));
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

async function dial(address: ZkAddress, security: ZkSecurity, signal: AbortSignal): Promise<Socket> {
  const tls = await tlsOptions(address, security);
  signal.throwIfAborted();
  const { host, port } = address;
  const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls });
  socket.setNoDelay(true);
  return new Promise<Socket>((resolve, reject) => {
    const onAbort = (): void => void socket.destroy(signal.reason);
    const settled = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      settle();
    };
    const onError = (error: Error): void => settled(() => reject(error));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('close', () => reject(new Error('closed while connecting')));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => settled(() => resolve(socket)));
  });
}

/** Certificates are read for each connection, so that rotated ones are used by the next. */
async function tlsOptions({ name }: ZkAddress, { tls }: ZkSecurity): Promise<object | undefined> {
  if (tls === undefined) return undefined;
  const [ca, cert, key] = await Promise.all([tls.ca, tls.cert, tls.key].map(readOptional));
  const verified = tls.serverName ?? name;
  return {
    minVersion: 'TLSv1.2',
    // An address may not be sent as a server name; it is verified all the same.
    ...(isIP(verified) === 0 && { servername: verified }),
    checkServerIdentity: (_host: string, peer: PeerCertificate) => checkServerIdentity(verified, peer),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}

async function readOptional(path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : readFile(path);
}
