/**
 * Where a text stops being JSON. `JSON.parse` tells that in some of its messages and in none of them reliably, and a
 * person who broke a file wants the line. Runs only over text that failed to parse; linear, no recursion.
 */

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or close';

/** The offset of the first character that no JSON text could have there; the text's length when it ends too early. */
export function jsonErrorOffset(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  for (let at = skip(SPACE, text, 0); ; at = skip(SPACE, text, at)) {
    const char = text[at];
    const inside = open.at(-1);
    const closes = char === (inside === '{' ? '}' : ']') && inside !== undefined;
    if (expected === 'comma or close' && inside === undefined) return at;
    if (closes && (expected === 'comma or close' || expected === 'value or ]' || expected === 'key or }')) {
      open.pop();
      expected = 'comma or close';
      at++;
    } else if (expected === 'comma or close') {
      if (char !== ',') return at;
      expected = inside === '{' ? 'key' : 'value';
      at++;
    } else if (expected === 'colon') {
      if (char !== ':') return at;
      expected = 'value';
      at++;
    } else if (expected === 'key' || expected === 'key or }') {
      const end = skip(STRING, text, at);
      if (end === at) return at;
      expected = 'colon';
      at = end;
    } else if (char === '{' || char === '[') {
      open.push(char);
      expected = char === '{' ? 'key or }' : 'value or ]';
      at++;
    } else {
      const end = skip(char === '"' ? STRING : SCALAR, text, at);
      if (end === at) return at;
      expected = 'comma or close';
      at = end;
    }
  }
}

/** The end of the token at `at`, or `at` when there is none. */
function skip(token: RegExp, text: string, at: number): number {
  token.lastIndex = at;
  return token.test(text) ? token.lastIndex : at;
}

/** `line:column` of an offset, both from 1, as editors count. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${(before.at(-1) as string).length + 1}`;
}
