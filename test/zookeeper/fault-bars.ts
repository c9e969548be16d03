/**
 * What a row of the fault matrix demands, measured and judged at its end. A bar that a driver is known to miss is
 * asserted as missed: when it holds one day, the test fails and the entry goes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, type TestContext } from 'vitest';
import { standstillMs } from '../helpers/standstill.js';
import type { Driver } from '../helpers/zk-drivers.js';
import { knownFailures } from './fault-known-failures.js';

const POLL_MS = 10;

export class Bars {
  readonly #row: string;
  readonly #driver: Driver;
  readonly #figures: string[] = [];
  readonly #missed: string[] = [];

  constructor(row: string, driver: Driver) {
    this.#row = row;
    this.#driver = driver;
  }

  /** A figure without a bar. */
  note(what: string, measured: unknown): void {
    this.#figures.push(`${what}: ${JSON.stringify(measured)}`);
  }

  atMost(what: string, measured: number, limit: number): void {
    this.#judge(what, measured <= limit, `${Math.round(measured)} (at most ${Math.round(limit)})`);
  }

  equal(what: string, measured: unknown, wanted: unknown): void {
    const [got, expected] = [JSON.stringify(measured), JSON.stringify(wanted)];
    this.#judge(what, got === expected, got === expected ? got : `${got}, expected ${expected}`);
  }

  /**
   * Waits for the condition, for `limitMs` after `from` and a little longer, and judges when it came true. Whatever the
   * machine took from this process meanwhile is added to the limit, and as much for those it looks at, which share it.
   */
  async within(
    what: string,
    from: number,
    limitMs: number,
    isTrue: () => boolean | Promise<boolean>,
    patienceMs = 3_000,
  ): Promise<void> {
    const stoodStill = standstillMs();
    const limit = (): number => limitMs + 2 * (standstillMs() - stoodStill);
    while (!(await isTrue())) {
      if (performance.now() > from + limit() + patienceMs)
        return this.#judge(what, false, `not within ${Math.round(limit() + patienceMs)} ms`);
      await delay(POLL_MS);
    }
    this.atMost(`${what} after ms`, performance.now() - from, limit());
  }

  /** Compares what was missed with what is known to be. */
  async judge(annotate: TestContext['annotate']): Promise<void> {
    await annotate(`row ${this.#row}, ${this.#driver}: ${this.#figures.join('; ')}`);
    const known = knownFailures.filter(({ row, driver }) => row === this.#row && driver === this.#driver);
    const allowed = (bar: string): boolean =>
      known.some((each) => each.missed === 'sometimes' && each.bar === bar);
    expect({ missed: this.#missed.filter((bar) => !allowed(bar)), figures: this.#figures }).toEqual({
      missed: known.filter(({ missed }) => missed === 'always').map(({ bar }) => bar),
      figures: this.#figures,
    });
  }

  #judge(what: string, holds: boolean, figure: string): void {
    this.#figures.push(`${what}: ${figure}`);
    if (!holds) this.#missed.push(what.replace(' after ms', ''));
  }
}
