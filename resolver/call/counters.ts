/** What the calls of one service and the requests of its dispatchers did. Plain integers that only grow; metrics read them. */
export interface RetryCounts {
  /** What callers asked for. */
  calls: number;
  /** Requests sent, first ones included. */
  attempts: number;
  retries: number;
  hedges: number;
  /** Hedges that answered before the request they were sent after. */
  hedgeWins: number;
  /** Retries and hedges that were wanted and that the budget refused. */
  budgetRefusals: number;
  /** Calls that ended because every endpoint had as many requests as `maxPerEndpoint` allows. */
  overloads: number;
}

export function noRetries(): RetryCounts {
  return { calls: 0, attempts: 0, retries: 0, hedges: 0, hedgeWins: 0, budgetRefusals: 0, overloads: 0 };
}
