import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ZkAcl } from '../../registry/zookeeper/driver.js';
import { createEphemeral } from '../../registry/zookeeper/entry.js';
import type { WireClient } from '../../registry/zookeeper/wire/client.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';

const ROOT = `/entry-${process.pid}`;
const NOTHING = Buffer.alloc(0);
const READ_ONLY: readonly ZkAcl[] = [{ permissions: ['read', 'admin'], scheme: 'world', id: 'anyone' }];

let zk: WireClient;

beforeAll(async () => {
  ({ zk } = await connectClient(sharedServer('zookeeper')));
  await zk.create(ROOT, NOTHING, 'persistent');
});

afterAll(() => zk?.close());

describe('the nodes above a new entry', () => {
  test('are created where they are missing, however many are', async () => {
    const path = `${ROOT}/a/b/c/one`;
    expect(await createEphemeral(zk, path, NOTHING)).toMatchObject({ path });
    expect((await zk.get(path)).stat.owner).toBe(zk.id);
  });

  test('are left alone where they are there and may not be written to', async () => {
    await zk.create(`${ROOT}/guarded`, NOTHING, 'persistent');
    await zk.create(`${ROOT}/guarded/ours`, NOTHING, 'persistent');
    await zk.setAcl(`${ROOT}/guarded`, READ_ONLY, -1);
    // As the root of a server whose administrator has the say there: nobody creates anything in it.
    await zk.setAcl(ROOT, READ_ONLY, -1);
    const path = `${ROOT}/guarded/ours/web/one`;
    expect(await createEphemeral(zk, path, NOTHING)).toMatchObject({ path });
    await expect(createEphemeral(zk, `${ROOT}/theirs/web/one`, NOTHING)).rejects.toMatchObject({
      code: 'NO_AUTH',
    });
  });
});
