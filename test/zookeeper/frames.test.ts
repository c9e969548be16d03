import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type FrameLimits, FrameSplitter } from '../../registry/zookeeper/wire/frames.js';

const LIMITS: FrameLimits = { maxBytes: 64, absurdBytes: 4_096 };

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeInt32BE(body.length, 0);
  frame.set(body, 4);
  return frame;
}

interface Seen {
  readonly frames: string[];
  readonly oversized: { readonly head: string; readonly bytes: number }[];
}

/** What comes out when these chunks go in. */
function split(chunks: readonly Buffer[], limits = LIMITS): Seen {
  const seen: Seen = { frames: [], oversized: [] };
  const splitter = new FrameSplitter(
    {
      frame: (frame) => seen.frames.push(frame.toString('hex')),
      oversized: (head, bytes) => seen.oversized.push({ head: head.toString('hex'), bytes }),
    },
    limits,
  );
  for (const chunk of chunks) splitter.feed(chunk);
  return seen;
}

/** The stream cut after each of `lengths` in turn, over and over. */
function sliced(stream: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const length = lengths[turn % lengths.length] as number;
    chunks.push(stream.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

const slicing = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 20 });

afterEach(() => {
  vi.restoreAllMocks();
});

describe('frames come out whole', () => {
  test('however the stream is sliced, and whatever is too large is dropped alone', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 });
    fc.assert(
      fc.property(bodies, slicing, (all, lengths) => {
        const hex = all.map((body) => Buffer.from(body).toString('hex'));
        const seen = split(sliced(Buffer.concat(all.map(framed)), lengths));
        expect(seen.frames).toEqual(hex.filter((text) => text.length <= 2 * LIMITS.maxBytes));
        expect(seen.oversized).toEqual(
          hex
            .filter((text) => text.length > 2 * LIMITS.maxBytes)
            .map((text) => ({ head: text.slice(0, 32), bytes: text.length / 2 })),
        );
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  test('also when they are empty', () => {
    const stream = Buffer.concat([
      framed(Buffer.alloc(0)),
      framed(Buffer.from('a')),
      framed(Buffer.alloc(0)),
    ]);
    for (const lengths of [[1], [3], [stream.length]]) {
      expect(split(sliced(stream, lengths)).frames).toEqual(['', '61', '']);
    }
  });

  test('at the limit itself, and not above it', () => {
    const seen = split([framed(Buffer.alloc(LIMITS.maxBytes)), framed(Buffer.alloc(LIMITS.maxBytes + 1))]);
    expect(seen.frames.length).toBe(1);
    expect(seen.oversized.map(({ bytes }) => bytes)).toEqual([LIMITS.maxBytes + 1]);
  });

  test('only when they are complete', () => {
    const frame = framed(Buffer.from('not yet'));
    expect(split([frame.subarray(0, -1)]).frames).toEqual([]);
  });
});

describe('a length that no frame has', () => {
  test.each([-1, -(2 ** 31), LIMITS.absurdBytes + 1, 2 ** 31 - 1])('%d ends the stream', (length) => {
    const head = Buffer.alloc(4);
    head.writeInt32BE(length, 0);
    for (const lengths of [[1], [4]]) {
      expect(() => split(sliced(head, lengths))).toThrow(RangeError);
    }
  });

  test('as the first line of an HTTP answer has it', () => {
    const limits = { maxBytes: 2 ** 25, absurdBytes: 2 ** 30 };
    expect(() => split([Buffer.from('HTTP/1.1 400 Bad Request\r\n')], limits)).toThrow(
      'expected the length of a frame, got 1213486160, from the server',
    );
  });
});

describe('cost', () => {
  test('every byte of a large frame is copied once, however small its pieces are', () => {
    const body = Buffer.alloc(200_000, 7);
    const chunks = sliced(framed(body), [10]);
    const concat = vi.spyOn(Buffer, 'concat');
    const seen = split(chunks, { maxBytes: 2 ** 20, absurdBytes: 2 ** 30 });
    const copied = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0);
    expect(seen.frames[0]?.length).toBe(2 * body.length);
    expect(copied).toBeLessThanOrEqual(body.length + 4);
  });

  test('a frame that comes in one piece is not copied', () => {
    const concat = vi.spyOn(Buffer, 'concat');
    split([framed(Buffer.alloc(50))]);
    expect(concat).not.toHaveBeenCalled();
  });

  test('of a frame that is too large nothing but its head is kept', () => {
    const kept: Buffer[] = [];
    const splitter = new FrameSplitter({ frame: () => {}, oversized: (head) => kept.push(head) }, LIMITS);
    const head = Buffer.alloc(4);
    head.writeInt32BE(LIMITS.absurdBytes, 0);
    const concat = vi.spyOn(Buffer, 'concat');
    splitter.feed(head);
    for (let sent = 0; sent < LIMITS.absurdBytes; sent += 8) splitter.feed(Buffer.alloc(8));
    expect(kept.map(({ length }) => length)).toEqual([16]);
    expect(concat).toHaveBeenCalledTimes(1);
  });
});
