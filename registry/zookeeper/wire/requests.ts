/**
 * The requests that were sent and not answered. A server answers in the order in which it was asked, so they are a
 * queue. Each settles exactly once: by its reply, by the end of the connection or session it was sent on, or because
 * whoever asked waits no longer; its place in the queue is then kept until the reply has come.
 */
import { abortable } from '../../../runtime/abort.js';
import { deferred } from '../../../runtime/deferred.js';
import { messageOf } from '../../../runtime/errors.js';
import { ZkError, type ZkErrorCode } from '../driver.js';
import { JuteError, type JuteReader, JuteWriter } from './jute.js';
import { errorCodeOf, nextXid, type ReplyHeader } from './records.js';

/** ZooKeeper's default `jute.maxbuffer`: a server closes the connection on a larger request. */
export const MAX_REQUEST_BYTES = 2 ** 20 - 1;

export interface WireRequest<T> {
  readonly operation: number;
  /** For messages. */
  readonly name: string;
  readonly path: string;
  readonly write: (writer: JuteWriter) => void;
  readonly read: (reader: JuteReader) => T;
  /** Called in the order of the replies, before anything that came later is handled. */
  readonly onReply?: (error: ZkErrorCode | undefined) => void;
  /** Ends the waiting, with the signal's reason. What was sent may take effect all the same. */
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  readonly xid: number;
  readonly sentAt: number;
  readonly reply: (error: number, reader: JuteReader) => void;
  readonly fail: (code: ZkErrorCode, detail: string) => void;
}

export class Requests {
  #queue: Pending[] = [];
  #xid = 0;

  get size(): number {
    return this.#queue.length;
  }

  /** When the one that has waited longest was sent. */
  get oldestSentAt(): number | undefined {
    return this.#queue[0]?.sentAt;
  }

  /** Hands the request to `send` and resolves with its reply. Rejects with a ZkError, or the signal's reason. */
  ask<T>(request: WireRequest<T>, now: number, send: (writer: JuteWriter) => void): Promise<T> {
    const { name, path, signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const xid = nextXid(this.#xid);
    const writer = new JuteWriter().int(xid).int(request.operation);
    request.write(writer);
    if (writer.length > MAX_REQUEST_BYTES) {
      const detail = `expected a request of at most ${MAX_REQUEST_BYTES} bytes, got ${writer.length}`;
      return Promise.reject(new ZkError('TOO_LARGE', name, path, detail));
    }
    this.#xid = xid;
    const result = deferred<T>();
    this.#queue.push(pendingOf(xid, now, request, result.resolve, result.reject));
    send(writer);
    return abortable(result.promise, signal);
  }

  /** Throws a JuteError for a reply that nobody waits for, or that cannot be read: the connection is useless then. */
  answered({ xid, error }: ReplyHeader, reader: JuteReader): void {
    this.#next(xid).reply(error, reader);
  }

  /** The reply was dropped because of its size. */
  oversized(xid: number, bytes: number): void {
    this.#next(xid).fail('TOO_LARGE', `the reply of ${bytes} bytes is larger than is accepted`);
  }

  failAll(code: ZkErrorCode, detail: string): void {
    const failed = this.#queue;
    this.#queue = [];
    for (const { fail } of failed) fail(code, detail);
  }

  #next(xid: number): Pending {
    const oldest = this.#queue[0];
    if (oldest?.xid !== xid)
      throw new JuteError(`the reply to request ${oldest?.xid ?? 'none'}`, `one to ${xid}`);
    this.#queue.shift();
    return oldest;
  }
}

function pendingOf<T>(
  xid: number,
  sentAt: number,
  { name, path, read, onReply }: WireRequest<T>,
  resolve: (value: T) => void,
  reject: (error: ZkError) => void,
): Pending {
  const fail = (code: ZkErrorCode, detail: string): void => {
    onReply?.(code);
    reject(new ZkError(code, name, path, detail));
  };
  return {
    xid,
    sentAt,
    fail,
    reply(error, reader) {
      if (error !== 0) return fail(errorCodeOf(error), `${errorCodeOf(error)} (${error})`);
      try {
        const value = read(reader);
        onReply?.(undefined);
        resolve(value);
      } catch (broken) {
        fail('CONNECTION_LOSS', `${messageOf(broken)}; whether it took effect is unknown`);
        throw broken;
      }
    },
  };
}
