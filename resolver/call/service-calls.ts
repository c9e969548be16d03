/** What the calls of one service share, however many handles make them. */
import type { Clock } from '../../runtime/clock.js';
import type { Random } from '../../runtime/random.js';
import type { PolicyContext } from '../policy.js';
import type { RetryCounts } from './counters.js';
import { InFlight } from './in-flight.js';
import { Latencies } from './latencies.js';
import { RetryBudget } from './retry-budget.js';

export class ServiceCalls {
  readonly counters: RetryCounts;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget = new RetryBudget();
  readonly inFlight = new InFlight();
  readonly latencies = new Latencies();

  constructor(counters: RetryCounts, { clock, random }: PolicyContext) {
    this.counters = counters;
    this.clock = clock;
    this.random = random;
  }
}
