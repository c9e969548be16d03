/**
 * When to ping, when to give a connection up, and when to doubt everything: a pure function of what was last sent and
 * received, after the rules of ZooKeeper's own client (ClientCnxn: ping after a third of the session timeout, silence of
 * two thirds is the end of the connection).
 */

/**
 * A request or ping without an answer for this long gets none, even when other bytes come: answers keep their order, so
 * nothing that is asked later would be answered either.
 */
export const LONGEST_ANSWER_MS = 15_000;

export interface Traffic {
  readonly timeoutMs: number;
  readonly lastSentAt: number;
  readonly lastReceivedAt: number;
  /** True while a ping is unanswered. */
  readonly pinged: boolean;
  /** Since when the oldest request or ping has waited for its answer; undefined when nothing waits. */
  readonly awaitedSince: number | undefined;
  /** When this look was due. */
  readonly dueAt: number;
}

export type Verdict =
  | { readonly do: 'wait'; readonly untilMs: number }
  | { readonly do: 'ping' }
  /** Nothing was heard for too long, or not what was asked for. */
  | { readonly do: 'hang up' }
  /** This process itself stood still for so long that the session may be over: ask before believing anything. */
  | { readonly do: 'verify' };

export function judge(traffic: Traffic, now: number): Verdict {
  const { timeoutMs, lastSentAt, lastReceivedAt, pinged, awaitedSince, dueAt } = traffic;
  const third = timeoutMs / 3;
  if (now - dueAt > third) return { do: 'verify' };
  const hangUpAt = Math.min(
    lastReceivedAt + 2 * third,
    (awaitedSince ?? Number.POSITIVE_INFINITY) + LONGEST_ANSWER_MS,
  );
  if (now >= hangUpAt) return { do: 'hang up' };
  // Silence asks for a ping as well as idleness: a reply is what keeps the connection believable.
  const pingAt = pinged ? Number.POSITIVE_INFINITY : Math.min(lastSentAt, lastReceivedAt) + third;
  if (now >= pingAt) return { do: 'ping' };
  return { do: 'wait', untilMs: Math.min(pingAt, hangUpAt) };
}
