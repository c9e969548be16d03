/**
 * A ZooKeeper that does what a test tells it to, for what a real one never does: it answers late, in the wrong order,
 * one byte at a time or not at all. Without a script it is a server with one node of data at every path.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { FrameSplitter } from '../../registry/zookeeper/wire/frames.js';
import { JuteReader, JuteWriter } from '../../registry/zookeeper/wire/jute.js';
import { OP } from '../../registry/zookeeper/wire/records.js';

export interface Handshake {
  readonly lastZxid: number;
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
}

export interface FakeRequest {
  readonly xid: number;
  readonly operation: number;
  /** What follows the header. */
  readonly body: Buffer;
}

export interface Script {
  /** What is done about a handshake; default: to grant it. */
  readonly onHandshake?: (connection: FakeConnection, handshake: Handshake) => void;
  /** What is done about a request; default: to answer it. */
  readonly onRequest?: (connection: FakeConnection, request: FakeRequest) => void;
  readonly onConnect?: (connection: FakeConnection) => void;
}

export class FakeServer {
  readonly #server: Server;
  readonly connections: FakeConnection[] = [];
  /** May be replaced at any time. */
  script: Script;
  lastSession = 0x1000n;

  private constructor(server: Server, script: Script) {
    this.#server = server;
    this.script = script;
    server.on('connection', (socket) => {
      const connection = new FakeConnection(this, socket);
      this.connections.push(connection);
      this.script.onConnect?.(connection);
    });
  }

  static async start(script: Script = {}): Promise<FakeServer> {
    const server = createServer();
    const fake = new FakeServer(server, script);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The newest connection. */
  get current(): FakeConnection {
    return this.connections.at(-1) as FakeConnection;
  }

  /** Connections that are open. */
  get open(): number {
    return this.connections.filter(({ closed }) => !closed).length;
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export class FakeConnection {
  readonly server: FakeServer;
  readonly #socket: Socket;
  /** Everything that was asked on it, in order. */
  readonly requests: FakeRequest[] = [];
  handshake: Handshake | undefined;
  closed = false;

  constructor(server: FakeServer, socket: Socket) {
    this.server = server;
    this.#socket = socket;
    const splitter = new FrameSplitter({ frame: (frame) => this.#received(frame), oversized: () => {} });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => splitter.feed(chunk));
    socket.on('error', () => {});
    socket.once('close', () => {
      this.closed = true;
    });
  }

  /** Bytes as they are. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Bytes, then the end. */
  end(bytes: Uint8Array = Buffer.alloc(0)): void {
    this.#socket.end(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Bytes one at a time, each of which the peer reads alone. */
  async drip(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      this.write(Buffer.of(byte));
      await turns(2);
    }
  }

  /** The default answer to a handshake. */
  grant(changes: Partial<Parameters<typeof handshakeReply>[0]> = {}): void {
    this.write(this.granted(changes));
  }

  granted(changes: Partial<Parameters<typeof handshakeReply>[0]> = {}): Buffer {
    const { sessionId = 0n, timeoutMs = 0 } = this.handshake ?? {};
    return handshakeReply({
      sessionId: sessionId === 0n ? ++this.server.lastSession : sessionId,
      timeoutMs,
      ...changes,
    });
  }

  /** The default answer to a request. */
  answer(request: FakeRequest, header: Partial<ReplyHeaderFields> = {}): void {
    this.write(answerTo(request, header));
    if (request.operation === OP.closeSession) this.end();
  }

  #received(frame: Buffer): void {
    const reader = new JuteReader(frame);
    if (this.handshake === undefined) this.#greeted(reader);
    else this.#asked({ xid: reader.int(), operation: reader.int(), body: frame.subarray(8) });
  }

  #asked(request: FakeRequest): void {
    this.requests.push(request);
    const { onRequest } = this.server.script;
    if (onRequest === undefined) this.answer(request);
    else onRequest(this, request);
  }

  #greeted(reader: JuteReader): void {
    reader.int();
    this.handshake = {
      lastZxid: reader.long(),
      timeoutMs: reader.int(),
      sessionId: reader.bigLong(),
      password: reader.bytes(),
    };
    const { onHandshake } = this.server.script;
    if (onHandshake === undefined) this.grant();
    else onHandshake(this, this.handshake);
  }
}

export interface ReplyHeaderFields {
  readonly xid: number;
  readonly zxid: number;
  readonly error: number;
}

export function handshakeReply(fields: {
  readonly sessionId: bigint;
  readonly timeoutMs: number;
  readonly password?: Uint8Array;
  readonly readOnly?: boolean;
}): Buffer {
  const { sessionId, timeoutMs, password = Buffer.alloc(16, 0x70), readOnly = false } = fields;
  return new JuteWriter().int(0).int(timeoutMs).long(sessionId).bytes(password).bool(readOnly).frame();
}

/** A reply of any content. */
export function reply(
  { xid, zxid, error }: ReplyHeaderFields,
  write: (body: JuteWriter) => void = () => {},
): Buffer {
  const writer = new JuteWriter().int(xid).long(zxid).int(error);
  write(writer);
  return writer.frame();
}

/** An event of the numeric type on the path. */
export function notification(type: number, path: string, zxid = -1): Buffer {
  return reply({ xid: -1, zxid, error: 0 }, (body) => body.int(type).int(3).text(path));
}

/** What a good server replies; with an error nothing but the header. */
export function answerTo(request: FakeRequest, header: Partial<ReplyHeaderFields> = {}): Buffer {
  const fields = { xid: request.xid, zxid: 1, error: 0, ...header };
  return reply(fields, fields.error === 0 ? (body) => writeBody(body, request) : undefined);
}

function writeBody(writer: JuteWriter, { operation, body }: FakeRequest): void {
  const path = (): string => new JuteReader(body).text();
  if (operation === OP.getData) writeStat(writer.bytes(Buffer.from(`data of ${path()}`)));
  else if (operation === OP.exists || operation === OP.setData) writeStat(writer);
  else if (operation === OP.getChildren2)
    writeStat(writer.list(['a', 'b'], (name) => void writer.text(name)));
  else if (operation === OP.create2) writeStat(writer.text(path()));
  else if (operation === OP.sync) writer.text(path());
  else if (operation === OP.multiRead) writeNodes(writer, body);
}

function writeNodes(writer: JuteWriter, body: Buffer): void {
  const reader = new JuteReader(body);
  for (;;) {
    const type = reader.int();
    const done = reader.bool();
    reader.int();
    writer
      .int(done ? -1 : type)
      .bool(done)
      .int(done ? -1 : 0);
    if (done) return;
    writeStat(writer.bytes(Buffer.from(`data of ${reader.text()}`)));
    reader.bool();
  }
}

/** A lasting node that was created in transaction 1 and never changed. */
export function writeStat(writer: JuteWriter): void {
  writer.long(1).long(1).long(0).long(0).int(0).int(0).int(0).long(0).int(0).int(0).long(1);
}

/** Turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
