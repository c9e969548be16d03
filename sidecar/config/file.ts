/** From the text of a configuration file, YAML or JSON (which YAML 1.2 contains), to plain data. */
import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import { messageOf } from '../../runtime/errors.js';
import type { Problem } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';

/** A list of services fits a thousand times; anything longer is some other file. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

/** The data, or undefined with problems at `file:line:column` added. An empty file is an empty object. */
export function parseConfigText(text: string, file: string, problems: Problem[]): unknown {
  if (text.length > MAX_CHARACTERS) {
    problems.push({ path: file, expected: `at most ${MAX_CHARACTERS} characters`, got: `${text.length}` });
    return undefined;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const wrongs = [...document.errors, ...document.warnings];
  if (wrongs.length === 0) return toData(() => document.toJS({ maxAliasCount: 100 }), file, problems);
  problems.push(...wrongs.map((wrong) => syntaxProblem(wrong, file, lines)));
  return undefined;
}

function syntaxProblem({ pos, message }: YAMLError, file: string, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(pos[0]);
  return { path: `${file}:${line}:${col}`, expected: 'YAML or JSON', got: printable(message, 200) };
}

/** Aliases that multiply without end are found only here. */
function toData(read: () => unknown, file: string, problems: Problem[]): unknown {
  try {
    return read() ?? {};
  } catch (error) {
    problems.push({ path: file, expected: 'YAML or JSON', got: messageOf(error) });
    return undefined;
  }
}
