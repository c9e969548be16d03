/**
 * Cuts the byte stream of a server into frames, however it is sliced. A frame that is larger than the limit is not
 * collected: its beginning is handed over, which names the request it answers, and the rest is dropped as it streams by.
 */

export interface FrameLimits {
  /** Larger frames are dropped, in bytes. */
  readonly maxBytes: number;
  /** A length above this is no frame but garbage, in bytes. */
  readonly absurdBytes: number;
}

export const DEFAULT_FRAME_LIMITS: FrameLimits = { maxBytes: 32 * 2 ** 20, absurdBytes: 2 ** 30 };

/** How much of a dropped frame is handed over: a reply header. */
const HEAD_BYTES = 16;

export interface FrameHandlers {
  readonly frame: (frame: Buffer) => void;
  /** A frame of `bytes` was too large; `head` is its beginning. */
  readonly oversized: (head: Buffer, bytes: number) => void;
}

export class FrameSplitter {
  readonly #handlers: FrameHandlers;
  readonly #limits: FrameLimits;
  #chunks: Buffer[] = [];
  #collected = 0;
  /** Bytes of the frame being read; undefined while its length is awaited. */
  #length: number | undefined;
  #dropping = 0;

  constructor(handlers: FrameHandlers, limits: FrameLimits = DEFAULT_FRAME_LIMITS) {
    this.#handlers = handlers;
    this.#limits = limits;
  }

  /** Throws a RangeError for a length that no frame can have; the stream is useless from there. */
  feed(chunk: Buffer): void {
    let rest = this.#drop(chunk);
    while (rest.length > 0) {
      const wanted = this.#wanted();
      const part = rest.subarray(0, wanted - this.#collected);
      this.#chunks.push(part);
      this.#collected += part.length;
      rest = rest.subarray(part.length);
      if (this.#collected === wanted) rest = this.#drop(this.#complete(rest));
    }
  }

  #wanted(): number {
    if (this.#length === undefined) return 4;
    return this.#length > this.#limits.maxBytes ? HEAD_BYTES : this.#length;
  }

  /** Handles what was collected, and returns what remains of the chunk. */
  #complete(rest: Buffer): Buffer {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#collected = 0;
    if (this.#length === undefined) {
      this.#length = checkedLength(bytes.readInt32BE(0), this.#limits);
      if (this.#length > 0) return rest;
    }
    const length = this.#length;
    this.#length = undefined;
    if (length <= this.#limits.maxBytes) this.#handlers.frame(length === 0 ? Buffer.alloc(0) : bytes);
    else {
      this.#dropping = length - bytes.length;
      this.#handlers.oversized(bytes, length);
    }
    return rest;
  }

  #drop(chunk: Buffer): Buffer {
    const dropped = Math.min(this.#dropping, chunk.length);
    this.#dropping -= dropped;
    return chunk.subarray(dropped);
  }
}

function checkedLength(length: number, { absurdBytes }: FrameLimits): number {
  if (length >= 0 && length <= absurdBytes) return length;
  throw new RangeError(`expected the length of a frame, got ${length}, from the server`);
}
