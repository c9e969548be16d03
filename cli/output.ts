/** Where a command writes: lines, with colours only on a terminal and never where NO_COLOR asks for none. */

/** The part of a stream that is needed. */
export interface Writable {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
}

export type Paint = (text: string) => string;

export interface Output {
  /** Whether a person looks on. */
  readonly isTerminal: boolean;
  readonly line: (text: string) => void;
  /** Verbatim. */
  readonly write: (text: string) => void;
  /** One JSON document on one line, or indented for a person at a terminal. */
  readonly json: (value: unknown) => void;
  readonly paint: Readonly<Record<Colour, Paint>>;
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Colour = keyof typeof CODES;

/** `noColor` is the variable NO_COLOR; any text in it counts, see no-color.org. */
export function outputTo(stream: Writable, noColor: string | undefined): Output {
  const isTerminal = stream.isTTY === true;
  const coloured = isTerminal && (noColor ?? '') === '';
  const painter = (code: number): Paint =>
    coloured ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text;
  const { bold, dim, red, green, yellow } = CODES;
  return {
    isTerminal,
    line: (text) => stream.write(`${text}\n`),
    write: (text) => stream.write(text),
    json: (value) => stream.write(`${JSON.stringify(value, undefined, isTerminal ? 2 : 0)}\n`),
    paint: {
      bold: painter(bold),
      dim: painter(dim),
      red: painter(red),
      green: painter(green),
      yellow: painter(yellow),
    },
  };
}

/** Columns as wide as their widest cell, two spaces apart. */
export function tableLines(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
