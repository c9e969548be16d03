/**
 * An agent accepts a write at once and tells the servers a moment later, where readers look. Waiting for that
 * moment makes "registered" and "deregistered" true for readers too; when the servers have no leader it may take
 * long, and the entry is the agent's care from then on, so the wait is short and its failure is none.
 */
import { withDeadline } from '../../runtime/abort.js';
import { type Clock, sleep } from '../../runtime/clock.js';
import { fieldsOf } from './decode.js';
import { META } from './entry.js';
import type { ConsulHttp } from './http.js';

const GRACE_MS = 2000;
const POLL_MS = 25;

export interface CatalogParts {
  readonly http: ConsulHttp;
  readonly clock: Clock;
}

/** One item of the health list: `{ Node, Service, Checks }`. */
export type CatalogItem = Readonly<Record<string, unknown>>;

export interface Awaited {
  readonly service: string;
  readonly owner: string;
  /** Whether the owner's item in the catalog, or its absence, is what is waited for. */
  readonly settled: (item: CatalogItem | undefined) => boolean;
}

/** Resolves when the catalog shows what is awaited, or after two seconds. Rejects only when the signal aborts. */
export async function awaitCatalog(
  { http, clock }: CatalogParts,
  { service, owner, settled }: Awaited,
  signal: AbortSignal | undefined,
): Promise<void> {
  await withDeadline(clock, GRACE_MS, 'the catalog', signal, async (link) => {
    for (;;) {
      const path = `/v1/health/service/${encodeURIComponent(service)}`;
      const query = { filter: `Service.Meta["${META.owner}"] == "${owner}"` };
      const { json } = await http.get(path, { query, deadlineMs: GRACE_MS, signal: link });
      const items = Array.isArray(json) ? json : [];
      if (settled(items.length === 0 ? undefined : fieldsOf(items[0]))) return;
      await sleep(clock, POLL_MS, link);
    }
  }).catch(() => signal?.throwIfAborted());
}
