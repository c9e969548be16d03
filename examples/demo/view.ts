/** What a person sees of the demo: a live table on a terminal, plain lines elsewhere. */
import type { CallerTotals, EndpointTotals } from './caller.js';
import type { Member } from './fleet.js';

export interface Frame {
  readonly title: string;
  readonly members: readonly Member[];
  readonly listed: ReadonlySet<string>;
  readonly endpoints: ReadonlyMap<string, EndpointTotals>;
  readonly totals: CallerTotals;
}

export interface View {
  /** Something happened; stays on the screen. */
  note(text: string): void;
  /** How things stand now; replaces what `frame` showed before. */
  frame(frame: Frame): void;
}

const COLUMNS = [14, 10, 8, 18, 9, 10, 8] as const;
const HEADER = ['instance', 'health', 'listed', 'registered since', 'picks', 'in flight', 'errors'];

export function tableLines({ title, members, listed, endpoints, totals }: Frame): readonly string[] {
  const rows = members.map(({ id, health, registeredAt }) => {
    const { picks = 0, inFlight = 0, errors = 0 } = endpoints.get(id) ?? {};
    return [id, health, listed.has(id) ? 'yes' : 'no', timeOf(registeredAt), picks, inFlight, errors];
  });
  return [title, '', line(HEADER), ...rows.map(line), '', totalsLine(totals)];
}

export function totalsLine({ requests, retried, failed }: CallerTotals): string {
  return `caller: ${requests} requests, ${retried} sent again to another instance, ${failed} failed`;
}

function line(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, i) => String(cell).padEnd(COLUMNS[i] as number))
    .join(' ')
    .trimEnd();
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? '-' : new Date(ms).toTimeString().slice(0, 8);
}

/** Repaints the table in place, under the notes. */
export function terminalView(out: NodeJS.WriteStream): View {
  const clearBelow = '\u001b[J';
  let painted = 0;
  const up = (): string => (painted === 0 ? '' : `\u001b[${painted}A`);
  return {
    note(text) {
      out.write(`${up()}${clearBelow}${text}\n`);
      painted = 0;
    },
    frame(frame) {
      const lines = ['', ...tableLines(frame)];
      out.write(`${up()}${clearBelow}${lines.join('\n')}\n`);
      painted = lines.length;
    },
  };
}

/** One line for each note, and the totals every few frames. */
export function plainView(out: NodeJS.WritableStream, framesPerLine: number): View {
  let frames = 0;
  return {
    note: (text) => void out.write(`${text}\n`),
    frame({ listed, totals }) {
      if (frames++ % framesPerLine !== 0) return;
      out.write(`listed: ${[...listed].sort().join(', ') || 'none'}; ${totalsLine(totals)}\n`);
    },
  };
}
