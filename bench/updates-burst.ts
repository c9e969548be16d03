/** A thousand changes in a second, evenly, while picks go on: what that does to the event loop and to the picks. */
import { sleep, systemClock } from '../runtime/clock.js';
import type { Loop } from './pick-loops.js';
import { processorMsSince } from './process-usage.js';
import type { Balanced } from './updates-balanced.js';
import type { BurstRound } from './updates-experiments.js';

const BURST_MS = 1000;
/** Of one endpoint each; every other one joins. What falls due while the process is busy is sent as one list. */
const CHANGES = 1000;
const TURN_MS = 1;
const PICKS_A_TURN = 20;

export async function burstRound(balanced: Balanced): Promise<BurstRound> {
  const turns = new Turns();
  const pickMs: number[] = [];
  for (let made = 0; made < CHANGES || !balanced.isCurrent(); ) {
    const wanted = Math.min(CHANGES, Math.floor((turns.sinceStartMs / BURST_MS) * CHANGES));
    if (wanted > made) makeChanges(balanced, made, wanted);
    made = wanted;
    await sleep(systemClock, TURN_MS);
    for (let pick = 0; pick < PICKS_A_TURN; pick++) pickMs.push(millisecondsOf(balanced.loop));
    turns.next();
  }
  const sorted = pickMs.sort((a, b) => a - b);
  return {
    longestStallMs: turns.longestMs,
    longestTurnMs: turns.longestProcessorMs,
    pickP99Us: 1000 * (sorted[Math.floor(0.99 * sorted.length)] as number),
    lastKnownMs: turns.sinceStartMs - BURST_MS,
    processor: (100 * turns.processorMs) / turns.sinceStartMs,
  };
}

function makeChanges(balanced: Balanced, from: number, to: number): void {
  const joining: number[] = [];
  const leaving: number[] = [];
  for (let change = from; change < to; change++) {
    if (change % 2 === 0) joining.push(balanced.joins++);
    else leaving.push(balanced.leaves++);
  }
  balanced.change(joining, leaving)();
}

function millisecondsOf(loop: Loop): number {
  const startedAt = systemClock.now();
  loop(1);
  return systemClock.now() - startedAt;
}

/** How long the turns of the event loop take, on the clock and of the processor. */
class Turns {
  readonly #startedAt = systemClock.now();
  readonly #usedBefore = process.cpuUsage();
  #turnedAt = this.#startedAt;
  #used = this.#usedBefore;
  longestMs = 0;
  longestProcessorMs = 0;

  next(): void {
    const nowMs = systemClock.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.#turnedAt);
    this.longestProcessorMs = Math.max(this.longestProcessorMs, processorMsSince(this.#used));
    this.#turnedAt = nowMs;
    this.#used = process.cpuUsage();
  }

  get sinceStartMs(): number {
    return this.#turnedAt - this.#startedAt;
  }

  get processorMs(): number {
    return processorMsSince(this.#usedBefore);
  }
}
