/**
 * Jute, the encoding of ZooKeeper's wire protocol: big-endian numbers, and length-prefixed bytes, texts and lists, with
 * -1 for null. The reader checks every length against what is there, so a broken frame is an error and never a crash.
 */

export class JuteError extends Error {
  constructor(expected: string, got: string) {
    super(`expected ${expected}, got ${got}, in a frame of the server`);
    this.name = 'JuteError';
  }
}

const INITIAL_BYTES = 256;
/** Of UTF-8, for a unit of a string's length. */
const MAX_BYTES_PER_UNIT = 3;

export class JuteWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  int(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length);
    return this;
  }

  /** A whole number below 2^53 or a bigint. */
  long(value: number | bigint): this {
    this.#length = this.#room(8).writeBigInt64BE(BigInt(value), this.#length);
    return this;
  }

  bool(value: boolean): this {
    this.#length = this.#room(1).writeUInt8(value ? 1 : 0, this.#length);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int(value.byteLength);
    this.#room(value.byteLength).set(value, this.#length);
    this.#length += value.byteLength;
    return this;
  }

  text(value: string): this {
    const room = this.#room(4 + value.length * MAX_BYTES_PER_UNIT);
    const length = room.write(value, this.#length + 4);
    room.writeInt32BE(length, this.#length);
    this.#length += 4 + length;
    return this;
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.int(items.length);
    for (const item of items) write(item);
    return this;
  }

  get length(): number {
    return this.#length;
  }

  /** What was written, preceded by its length in four bytes: a frame ready to be sent. */
  frame(): Buffer {
    const frame = Buffer.allocUnsafe(4 + this.#length);
    frame.writeInt32BE(this.#length, 0);
    this.#bytes.copy(frame, 4, 0, this.#length);
    return frame;
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

export class JuteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  /** As a number, exact up to 2^53: transaction ids stay below that for two million elections of a leader. */
  long(): number {
    const at = this.#take(8);
    return this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** Passes over what nobody asks for. */
  skip(bytes: number): this {
    this.#take(bytes);
    return this;
  }

  /** All 64 bits, for session ids. */
  bigLong(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  bool(): boolean {
    return this.#bytes.readUInt8(this.#take(1)) !== 0;
  }

  /** A view of the frame, not a copy; empty for null. */
  bytes(): Buffer {
    const length = this.#size('bytes');
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.#size('text');
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  list<T>(read: () => T): T[] {
    const length = this.#size('a list');
    // Every item takes at least one byte, so a longer list cannot be in this frame.
    if (length > this.left) throw new JuteError(`a list of at most ${this.left} items`, `${length}`);
    const items: T[] = [];
    while (items.length < length) items.push(read());
    return items;
  }

  #size(what: string): number {
    const size = this.int();
    if (size < -1) throw new JuteError(`the size of ${what}`, `${size}`);
    return Math.max(size, 0);
  }

  #take(bytes: number): number {
    if (bytes > this.left) throw new JuteError(`${bytes} more bytes`, `${this.left}`);
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}
