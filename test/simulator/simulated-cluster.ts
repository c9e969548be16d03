/**
 * A cluster in simulated time: requests arrive by chance (Poisson), each endpoint answers after the latency that it has at that
 * moment, in steps of a millisecond. The same seed gives the same run, and 20 seconds of it take a few milliseconds.
 *
 * It knows nothing of policies: whatever picks and is told how each request ended can stand in it, ours and those of others.
 */
import {
  type Outcome,
  type OutcomeDetails,
  type PickRequest,
  type Random,
  seededRandom,
} from '../../resolver/index.js';
import { fraction } from '../../runtime/random.js';

/** What requests are spread by; every picker is one. */
export interface Balancing {
  pick(request?: PickRequest): SimulatedPick | undefined;
}

export interface SimulatedPick {
  readonly instance: { readonly id: string };
  done(outcome: Outcome, details?: OutcomeDetails): void;
}

export interface Answer {
  /** Undefined when the endpoint hangs: it never answers. */
  readonly latencyMs: number | undefined;
  readonly outcome?: Outcome;
  readonly details?: OutcomeDetails;
}

export interface Traffic {
  /** Asked for each request: with several callers, one of them. */
  readonly picker: () => Balancing;
  readonly clock: { advance(ms: number): void };
  readonly perSecond: number;
  readonly seconds: number;
  /** @param ms Since the start. */
  readonly answer: (id: string, ms: number) => Answer;
  /** Called before the requests of each millisecond; what happens to the cluster happens here. */
  readonly before?: (ms: number) => void;
  /** What each request is about. */
  readonly request?: () => PickRequest | undefined;
  readonly seed?: number;
}

/** The picks of one second, by endpoint. */
export type Second = Readonly<Record<string, number>>;

/** Plays it to the end. What is under way then is answered then. */
export function simulate(traffic: Traffic): Second[] {
  const run = new Run(traffic);
  while (!run.isOver) run.step();
  return run.end();
}

/** The same for what learns by promises: they settle between two milliseconds. */
export async function simulateSettling(traffic: Traffic): Promise<Second[]> {
  const run = new Run(traffic);
  while (!run.isOver) {
    run.step();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return run.end();
}

class Run {
  readonly #traffic: Traffic;
  readonly #random: Random;
  readonly #counts: Record<string, number>[] = [];
  /** By the millisecond at which the answer comes. */
  readonly #due = new Map<number, (() => void)[]>();
  #ms = 0;
  #nextMs = 0;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
    this.#random = seededRandom(traffic.seed ?? 20260101);
  }

  get isOver(): boolean {
    return this.#ms >= this.#traffic.seconds * 1000;
  }

  /** One millisecond: the answers that are due, what happens, the new requests. */
  step(): void {
    const { before, clock } = this.#traffic;
    const ms = this.#ms++;
    if (ms % 1000 === 0) this.#counts.push({});
    for (const answer of this.#due.get(ms) ?? []) answer();
    this.#due.delete(ms);
    before?.(ms);
    while (this.#nextMs < ms + 1) this.#request(ms);
    clock.advance(1);
  }

  end(): Second[] {
    for (const answer of [...this.#due.values()].flat()) answer();
    return this.#counts;
  }

  #request(ms: number): void {
    const { perSecond, picker, request, answer } = this.#traffic;
    this.#nextMs += (-Math.log(1 - fraction(this.#random)) * 1000) / perSecond;
    const pick = picker().pick(request?.());
    if (pick === undefined) throw new Error(`nothing was picked after ${ms} ms`);
    const { id } = pick.instance;
    const second = this.#counts.at(-1) as Record<string, number>;
    second[id] = (second[id] ?? 0) + 1;
    const { latencyMs, outcome = 'ok', details } = answer(id, ms);
    if (latencyMs !== undefined)
      this.#at(ms + Math.max(1, Math.round(latencyMs)), () => pick.done(outcome, details));
  }

  #at(ms: number, answer: () => void): void {
    const others = this.#due.get(ms);
    if (others === undefined) this.#due.set(ms, [answer]);
    else others.push(answer);
  }
}

/** The share of all picks that one endpoint had from a second on. */
export function shareOf(id: string, counts: readonly Second[], fromSecond = 0): number {
  const seconds = counts.slice(fromSecond);
  const all = seconds.flatMap((second) => Object.values(second)).reduce((sum, count) => sum + count, 0);
  return seconds.reduce((sum, second) => sum + (second[id] ?? 0), 0) / all;
}
