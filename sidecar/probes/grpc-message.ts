/**
 * The two messages of `grpc.health.v1` and the frame that gRPC puts around a message: a flag for compression, the
 * length in four bytes, then protobuf. A request has one text field, an answer one enumeration; anything else that a
 * later version may add is skipped.
 */
/** What a server may say of a service: `HealthCheckResponse.ServingStatus`, by its number. */
export const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

/** No answer is longer: its field takes two bytes. */
export const MAX_ANSWER_BYTES = 4096;

const FRAME_HEADER_BYTES = 5;
const SERVICE_FIELD = 0x0a;
const STATUS_FIELD = 1;
const VARINT = 0;

/** A framed `HealthCheckRequest`. An empty name, being the default of its field, is not sent. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE_FIELD, ...varint(name.length)]), name]);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** The number of the status in a framed `HealthCheckResponse`; undefined when it is none. */
export function decodeAnswer(frame: Buffer): number | undefined {
  if (frame.length < FRAME_HEADER_BYTES || frame[0] !== 0) return undefined;
  const message = frame.subarray(FRAME_HEADER_BYTES);
  return message.length === frame.readUInt32BE(1) ? statusIn(message) : undefined;
}

/** As protobuf wants it: 0 where the field is missing, the last where there are several. */
function statusIn(message: Buffer): number | undefined {
  let status = 0;
  let at = 0;
  while (at < message.length) {
    const tag = readVarint(message, at);
    const value = tag && readField(message, tag.next, tag.value % 8);
    if (value === undefined) return undefined;
    if (tag?.value === STATUS_FIELD * 8 + VARINT) status = value.value;
    at = value.next;
  }
  return status;
}

interface Read {
  readonly value: number;
  /** Where the next one begins. */
  readonly next: number;
}

/** Undefined when the message ends within it. The value matters of a number only. */
function readField(message: Buffer, at: number, wireType: number): Read | undefined {
  if (wireType === VARINT) return readVarint(message, at);
  const next = endOfField(message, at, wireType);
  return next === undefined || next > message.length ? undefined : { value: 0, next };
}

/** Fixed64, length-delimited and fixed32; the two that are left were given up before gRPC. */
function endOfField(message: Buffer, at: number, wireType: number): number | undefined {
  if (wireType === 1) return at + 8;
  if (wireType === 5) return at + 4;
  const length = wireType === 2 ? readVarint(message, at) : undefined;
  return length && length.next + length.value;
}

/** Seven bits a byte, the lowest first. Above 2^53 it is not exact, which no value here has to be. */
function readVarint(message: Buffer, start: number): Read | undefined {
  let value = 0;
  for (let at = start; at < Math.min(message.length, start + 10); at++) {
    const byte = message[at] as number;
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, next: at + 1 };
  }
  return undefined;
}
