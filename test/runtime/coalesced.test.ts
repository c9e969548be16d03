import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coalesced } from '../../runtime/coalesced.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';

/** Work whose runs a test ends by hand. */
function controlled() {
  const runs: Deferred<void>[] = [];
  const call = coalesced(() => {
    const run = deferred<void>();
    runs.push(run);
    return run.promise;
  });
  return { call, runs };
}

describe('coalesced work', () => {
  test('begins at once when nothing runs', async () => {
    const { call, runs } = controlled();
    const first = call();
    expect(runs).toHaveLength(1);
    runs[0]?.resolve();
    await first;
    void call();
    expect(runs).toHaveLength(2);
  });

  test('calls that come while it runs share one further run', async () => {
    const { call, runs } = controlled();
    const first = call();
    const [second, third] = [call(), call()];
    expect(second).toBe(third);
    expect(runs).toHaveLength(1);
    runs[0]?.resolve();
    await first;
    await Promise.resolve();
    expect(runs).toHaveLength(2);
    runs[1]?.resolve();
    await second;
    expect(runs).toHaveLength(2);
  });

  test('a failure reaches those who waited for that run, and no others', async () => {
    const { call, runs } = controlled();
    const first = call();
    const second = call();
    runs[0]?.reject(new Error('first run'));
    await expect(first).rejects.toThrow('first run');
    await Promise.resolve();
    runs[1]?.resolve();
    await expect(second).resolves.toBeUndefined();
  });
});

test('whenever it is called, one run at a time, and each caller gets a run that began after its call', async () => {
  const turns = fc.array(fc.nat({ max: 12 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(turns, fc.nat({ max: 6 }), async (delays, workTurns) => {
      let running = 0;
      let most = 0;
      let begun = 0;
      const call = coalesced(async () => {
        begun++;
        most = Math.max(most, ++running);
        await microtasks(workTurns);
        running--;
      });
      await Promise.all(
        delays.map(async (delay) => {
          await microtasks(delay);
          const before = begun;
          await call();
          expect(begun).toBeGreaterThan(before);
        }),
      );
      expect(most).toBeLessThanOrEqual(1);
    }),
  );
});

async function microtasks(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await undefined;
}
