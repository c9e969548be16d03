/**
 * The index of a blocking query, by Consul's own rules ("Blocking Queries: Implementation Details"): an index that
 * went back means that the data was restored or another server answered, and one below 1 never blocks.
 */

/** The value of an `X-Consul-Index` header; undefined when there is none that can be used. */
export function indexOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined;
  return Number(header) > 0 ? Number(header) : undefined;
}

/** What to ask with next: the index of the answer, or 0, which asks without blocking, when that cannot be trusted. */
export function nextIndex(asked: number, answered: number | undefined): number {
  return answered === undefined || answered < asked ? 0 : answered;
}
