/** One endpoint joins a list, and one leaves it, again and again: the time from the new list to the first pick from it. */
import { systemClock } from '../runtime/clock.js';
import { spreadOf } from './harness.js';
import { processorMsSince } from './process-usage.js';
import type { Balanced } from './updates-balanced.js';
import type { ChangeRound } from './updates-experiments.js';

const REPEATS = 11;

/** Medians of the joins. */
export async function changeRound(balanced: Balanced): Promise<ChangeRound> {
  const rounds: ChangeRound[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    rounds.push(await timed(balanced, balanced.change([balanced.joins++], [])));
    await timed(balanced, balanced.change([], [balanced.leaves++]));
  }
  return {
    milliseconds: spreadOf(rounds.map(({ milliseconds }) => milliseconds)).median,
    processorMs: spreadOf(rounds.map(({ processorMs }) => processorMs)).median,
  };
}

async function timed(balanced: Balanced, send: () => void): Promise<ChangeRound> {
  const used = process.cpuUsage();
  const startedAt = systemClock.now();
  send();
  while (!balanced.isCurrent()) await nextTurn();
  balanced.loop(1);
  return { milliseconds: systemClock.now() - startedAt, processorMs: processorMsSince(used) };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
