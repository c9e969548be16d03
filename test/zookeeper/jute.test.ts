import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JuteError, JuteReader, JuteWriter } from '../../registry/zookeeper/wire/jute.js';

/** What was written, as the reader of a frame is given it: without the length in front. */
function written(write: (writer: JuteWriter) => void): Buffer {
  const writer = new JuteWriter();
  write(writer);
  return writer.frame().subarray(4);
}

/** A value of any kind, with how it is written and read. */
interface Field {
  readonly kind: string;
  readonly value: unknown;
  readonly write: (writer: JuteWriter) => void;
  readonly read: (reader: JuteReader) => unknown;
}

function field<T>(
  kind: string,
  values: fc.Arbitrary<T>,
  write: (writer: JuteWriter, value: T) => void,
  read: (reader: JuteReader) => unknown,
): fc.Arbitrary<Field> {
  return values.map((value) => ({ kind, value, write: (writer) => write(writer, value), read }));
}

const texts = fc.string({ unit: 'binary', maxLength: 300 });
const fields: readonly fc.Arbitrary<Field>[] = [
  field(
    'int',
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    (writer, value) => writer.int(value),
    (reader) => reader.int(),
  ),
  field(
    'long',
    fc.maxSafeInteger(),
    (writer, value) => writer.long(value),
    (reader) => reader.long(),
  ),
  field(
    'long of 64 bits',
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    (writer, value) => writer.long(value),
    (reader) => reader.bigLong(),
  ),
  field(
    'bool',
    fc.boolean(),
    (writer, value) => writer.bool(value),
    (reader) => reader.bool(),
  ),
  field(
    'bytes',
    fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    (writer, value) => writer.bytes(value),
    (reader) => reader.bytes(),
  ),
  field(
    'text',
    texts,
    (writer, value) => writer.text(value),
    (reader) => reader.text(),
  ),
  field(
    'list',
    fc.array(texts, { maxLength: 20 }),
    (writer, value) => writer.list(value, (item) => void writer.text(item)),
    (reader) => reader.list(() => reader.text()),
  ),
];
const records = fc.array(fc.oneof(...fields), { minLength: 1, maxLength: 12 });

describe('what is written is read back', () => {
  test('for every kind of value, in any order', () => {
    fc.assert(
      fc.property(records, (record) => {
        const reader = new JuteReader(
          written((writer) => {
            for (const { write } of record) write(writer);
          }),
        );
        expect(record.map(({ read }) => read(reader))).toEqual(record.map(({ value }) => value));
        expect(reader.left).toBe(0);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test.each([0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 53), Number.MIN_SAFE_INTEGER])(
    'for the whole number %d',
    (value) => {
      expect(new JuteReader(written((writer) => writer.long(value))).long()).toBe(value);
    },
  );

  test.each([2n ** 63n - 1n, -(2n ** 63n), 0x1000_0000_0000_0001n])('for the 64 bits %d', (value) => {
    expect(new JuteReader(written((writer) => writer.long(value))).bigLong()).toBe(value);
  });

  test.each(['', 'a', 'é', '漢字', '👩‍👩‍👧‍👦', '\u0000', '\u{10ffff}', 'x'.repeat(100_000)])(
    'for the text %j',
    (text) => {
      expect(new JuteReader(written((writer) => writer.text(text))).text()).toBe(text);
    },
  );

  test('null reads as empty', () => {
    const nulls = written((writer) => writer.int(-1).int(-1).int(-1));
    const reader = new JuteReader(nulls);
    expect([reader.bytes().length, reader.text(), reader.list(() => reader.int())]).toEqual([0, '', []]);
  });

  test('a frame begins with the number of bytes behind it', () => {
    const frame = new JuteWriter().int(7).text('seven').frame();
    expect(frame.readInt32BE(0)).toBe(frame.length - 4);
  });
});

describe('a broken frame is an error', () => {
  test('wherever it is cut off', () => {
    fc.assert(
      fc.property(records, fc.nat(), (record, at) => {
        const whole = written((writer) => {
          for (const { write } of record) write(writer);
        });
        const reader = new JuteReader(whole.subarray(0, at % whole.length));
        const readAll = (): unknown => record.map(({ read }) => read(reader));
        expect(readAll).toThrow(JuteError);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test('whatever its bytes are: it reads as something or is a JuteError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), records, (bytes, record) => {
        const reader = new JuteReader(Buffer.from(bytes));
        try {
          for (const { read } of record) read(reader);
        } catch (error) {
          expect(error).toBeInstanceOf(JuteError);
        }
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });

  test.each([-2, -(2 ** 31), 2 ** 31 - 1, 5])('with a size of %d before four bytes', (size) => {
    const frame = written((writer) => writer.int(size).int(0));
    expect(() => new JuteReader(frame).bytes()).toThrow(JuteError);
    expect(() => new JuteReader(frame).text()).toThrow(JuteError);
    const list = new JuteReader(frame);
    expect(() => list.list(() => list.int())).toThrow(JuteError);
  });

  test('and a list that promises more than is there makes no room for it', () => {
    const bytes = 2 ** 20;
    const frame = written((writer) => writer.bytes(Buffer.alloc(bytes, 0x01)));
    frame.writeInt32BE(bytes, 0);
    const reader = new JuteReader(frame);
    let read = 0;
    const item = (): string => {
      read++;
      return reader.text();
    };
    expect(() => reader.list(item)).toThrow(JuteError);
    expect(read).toBe(1);
  });

  test('and says what was expected, and nothing of what was in it', () => {
    const frame = written((writer) => writer.int(100).text('secret'));
    expect(() => new JuteReader(frame).text()).toThrow(
      'expected 100 more bytes, got 10, in a frame of the server',
    );
  });
});
