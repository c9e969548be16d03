/** The bytes of a datagram as people write them: as text, or as `hex:` and two digits a byte. */
const HEX = 'hex:';

const MAX_CHARACTERS = 1024;

export const PAYLOAD_RULE = `text of 1 to ${MAX_CHARACTERS} characters, or "hex:" and two hexadecimal digits for each byte`;

export function isPayload(text: string): boolean {
  if (text.length === 0 || text.length > MAX_CHARACTERS) return false;
  return !text.startsWith(HEX) || /^([\da-f]{2})+$/i.test(text.slice(HEX.length));
}

/** Of a text that is a payload. */
export function payloadBytes(text: string): Buffer {
  return text.startsWith(HEX) ? Buffer.from(text.slice(HEX.length), 'hex') : Buffer.from(text);
}

/** Bytes in the same form as the payload `like` was written. */
export function formatPayload(bytes: Buffer, like: string): string {
  return like.startsWith(HEX) ? HEX + bytes.toString('hex') : bytes.toString();
}
