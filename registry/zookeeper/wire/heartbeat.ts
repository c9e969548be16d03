/**
 * When to ping, when to give a connection up, and when to doubt everything: a pure function of what was last sent and
 * received, after the rules of ZooKeeper's own client (ClientCnxn: ping after a third of the session timeout, silence of
 * two thirds is the end of the connection).
 */

export interface Traffic {
  readonly timeoutMs: number;
  readonly lastSentAt: number;
  readonly lastReceivedAt: number;
  /** True while a ping is unanswered. */
  readonly pinged: boolean;
  /** When this look was due. */
  readonly dueAt: number;
}

export type Verdict =
  | { readonly do: 'wait'; readonly untilMs: number }
  | { readonly do: 'ping' }
  /** Nothing was heard for too long. */
  | { readonly do: 'hang up' }
  /** This process itself stood still for so long that the session may be over: ask before believing anything. */
  | { readonly do: 'verify' };

export function judge(
  { timeoutMs, lastSentAt, lastReceivedAt, pinged, dueAt }: Traffic,
  now: number,
): Verdict {
  const third = timeoutMs / 3;
  if (now - dueAt > third) return { do: 'verify' };
  const hangUpAt = lastReceivedAt + 2 * third;
  if (now >= hangUpAt) return { do: 'hang up' };
  // Silence asks for a ping as well as idleness: a reply is what keeps the connection believable.
  const pingAt = pinged ? Number.POSITIVE_INFINITY : Math.min(lastSentAt, lastReceivedAt) + third;
  if (now >= pingAt) return { do: 'ping' };
  return { do: 'wait', untilMs: Math.min(pingAt, hangUpAt) };
}
