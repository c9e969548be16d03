/**
 * How many requests a service is working on, as it says itself: with its heartbeats, or at a URL of its own. A drain
 * ends as soon as there are none.
 */
import { withDeadline } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import type { InFlightConfig } from './config/config.js';

const READ_DEADLINE_MS = 1_000;
const MAX_BODY_BYTES = 1024 * 1024;

/** What was said is believed for this long: one answer that does not come must not end a drain. */
const FRESH_MS = 10_000;

export class InFlight {
  #config: InFlightConfig | undefined;
  readonly #clock: Clock;
  #reported: { readonly count: number; readonly at: number } | undefined;

  /** @param config Where to ask; undefined for heartbeats only. */
  constructor(config: InFlightConfig | undefined, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** Asks somewhere else from now on. What was said stays said. */
  change(config: InFlightConfig | undefined): void {
    this.#config = config;
  }

  /** What a heartbeat said. */
  report(count: number): void {
    this.#reported = { count, at: this.#clock.now() };
  }

  /**
   * Undefined when nobody has said it lately, at the URL or by a heartbeat. That there were none counts only where it was
   * said after `since`, on the monotonic clock: until then more may have come.
   */
  async read(signal: AbortSignal, since: number): Promise<number | undefined> {
    const answered = this.#config && (await this.#ask(this.#config, signal));
    if (answered !== undefined) this.report(answered);
    const { count, at } = this.#reported ?? { count: undefined, at: 0 };
    const isOld = this.#clock.now() - at > FRESH_MS || (count === 0 && at < since);
    return isOld ? undefined : count;
  }

  async #ask({ url, metric }: InFlightConfig, parent: AbortSignal): Promise<number | undefined> {
    try {
      // Only now: few services have such a URL, and loading it takes time and memory.
      const { request } = await import('undici');
      return await withDeadline(this.#clock, READ_DEADLINE_MS, `GET ${url}`, parent, async (signal) => {
        const { statusCode, body } = await request(url, { signal, reset: true });
        const text = await readText(body);
        return statusCode === 200 ? inFlightIn(text, metric) : undefined;
      });
    } catch {
      return undefined;
    }
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return '';
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The number in an answer: with `metric`, the sum over all its series in Prometheus' text form; else the text itself, or
 * the member `inFlight` of a JSON object. Undefined when there is none.
 */
export function inFlightIn(text: string, metric: string | undefined): number | undefined {
  return metric === undefined ? plainNumber(text) : sumOf(text, metric);
}

function plainNumber(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const count =
      typeof value === 'object' && value !== null ? (value as { inFlight?: unknown }).inFlight : value;
    return isCount(count) ? count : undefined;
  } catch {
    return undefined;
  }
}

function sumOf(text: string, metric: string): number | undefined {
  let sum: number | undefined;
  for (const line of text.split('\n')) {
    const rest = line.startsWith(metric) ? line.slice(metric.length) : '';
    const [, value] = /^(?:\{.*\})?\s+(\S+)/.exec(rest) ?? [];
    if (value === undefined || !isCount(Number(value))) continue;
    sum = (sum ?? 0) + Number(value);
  }
  return sum;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
