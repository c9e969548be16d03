/** The part of a document that a program writes: what stands between two comments. */

const BEGIN = '<!-- npm run fairness -- --write: from here on -->';
const END = '<!-- npm run fairness -- --write: up to here -->';

/** `document` with this between the comments. Throws where they are missing. */
export function withGenerated(document: string, generated: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`expected the comments ${BEGIN} and ${END}, got none`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${generated.trim()}\n\n${document.slice(end)}`;
}
