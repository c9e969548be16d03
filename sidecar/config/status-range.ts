/** HTTP status sets as people write them: `200`, `"2xx"`, `"200-399"`. */
import type { StatusRange } from './config.js';

export const STATUS_RULE = 'a status such as 200, "2xx" or "200-399"';

const LOWEST = 100;
const HIGHEST = 599;

/** Undefined when it is no status, no class and no rising range of statuses. */
export function parseStatusRange(value: number | string): StatusRange | undefined {
  const text = String(value);
  const [, hundreds] = /^([1-5])xx$/i.exec(text) ?? [];
  if (hundreds !== undefined) return { from: Number(hundreds) * 100, to: Number(hundreds) * 100 + 99 };
  const [, first, last = first] = /^(\d{3})(?:-(\d{3}))?$/.exec(text) ?? [];
  const range = { from: Number(first), to: Number(last) };
  return range.from >= LOWEST && range.to <= HIGHEST && range.from <= range.to ? range : undefined;
}

/** What `parseStatusRange` reads. */
export function formatStatusRange({ from, to }: StatusRange): number | string {
  if (from === to) return from;
  return from % 100 === 0 && to === from + 99 ? `${from / 100}xx` : `${from}-${to}`;
}
