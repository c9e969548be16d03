/**
 * The id of an instance whose format has no field for one, which is the name of its entry. Names may hold characters that
 * ids may not: each of those is then `=` and four hex digits, so that no two names become one.
 */
import { isName } from '../instance.js';

export function idOfName(name: string): string {
  return isName(name) ? name : escaped(name, /[^A-Za-z0-9._~:@+,-]|^\./g);
}

/** Each character that matches `outside` as `=` and four hex digits. */
export function escaped(text: string, outside: RegExp): string {
  return text.replace(outside, (char) => `=${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
