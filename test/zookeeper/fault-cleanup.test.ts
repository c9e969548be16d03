/** Row 14 of the fault matrix, one race of it: a removal of leftovers meets a registration of the same id. */
import { expect, test } from 'vitest';
import { ZkError, type ZkSession, type ZkStat } from '../../registry/zookeeper/driver.js';
import { unclaim } from '../../registry/zookeeper/entry.js';

const SESSION = '1000';

/** A session whose only node is its own, and is written by somebody else of the process before each deletion. */
class BusySession implements Pick<ZkSession, 'id' | 'exists' | 'delete'> {
  readonly id = SESSION;
  readonly deletions: number[] = [];
  #version = 0;

  async exists(): Promise<ZkStat> {
    return { czxid: 1, mzxid: 1, pzxid: 1, version: this.#version, owner: SESSION };
  }

  async delete(path: string, version: number): Promise<void> {
    this.deletions.push(version);
    this.#version++;
    throw new ZkError('BAD_VERSION', 'delete', path);
  }
}

test('the removal ends when the node has been claimed again', async () => {
  const session = new BusySession();
  const isTaken = (): boolean => session.deletions.length > 0;
  await unclaim(session as unknown as ZkSession, '/orders/one', isTaken);
  expect(session.deletions).toEqual([0]);
});

test('without a new claim it goes on, and says so in the end', async () => {
  const session = new BusySession();
  await expect(unclaim(session as unknown as ZkSession, '/orders/one', () => false)).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  expect(session.deletions.length).toBeGreaterThan(1);
});
