/**
 * Text from outside (registry data, HTTP bodies, file names) before it reaches a log line, a terminal or an error:
 * one line, no control or direction-changing characters, no endless string.
 */

// C0 and C1 controls, line separators, bidirectional marks and overrides.
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing control characters is the purpose
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Escapes what a terminal or a log reader could act on, and cuts the rest at `limit` characters. */
export function printable(text: string, limit = 256): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
