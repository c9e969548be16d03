/** What retries do to a service that is down: next to nothing more than was asked of it. */
import { afterAll, expect, test } from 'vitest';
import { Cluster, RESET } from './cluster.js';

const PER_SECOND = 1000;
const SECONDS = 10;

let cluster: Cluster;

afterAll(() => cluster.close());

test('all endpoints fail at 1000 requests a second: at most 1.2 requests for each and 10 a second more (T31)', async () => {
  cluster = await Cluster.of(['a', 'b', 'c']);
  cluster.behave = () => ({ error: RESET, latencyMs: 5 });
  let failed = 0;
  for (let ms = 0; ms < SECONDS * 1000; ms += 50) {
    for (let n = 0; n < PER_SECOND / 20; n++) {
      cluster.call({ idempotent: true, deadlineMs: 1000 }).catch(() => failed++);
    }
    await cluster.clock.advance(50);
  }
  await cluster.clock.advance(2000);
  const requests = PER_SECOND * SECONDS;
  expect(failed).toBe(requests);
  expect(cluster.sent.length).toBeLessThanOrEqual(1.2 * requests + 10 * SECONDS);
  expect(cluster.sent.length).toBeGreaterThan(1.15 * requests);
  expect(cluster.inFlight).toBe(0);
}, 30_000);
