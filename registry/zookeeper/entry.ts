/**
 * Writing one ephemeral node under a fixed name, and reading back whose it is. The node's owner decides everything:
 * mine is adopted, one that an older session left is replaced, and an outcome that is unknown is looked up.
 */
import { PilotfishError } from '../../runtime/errors.js';
import { canReplace, isZkError, type ZkSession, type ZkStat } from './driver.js';
import { parentOf } from './paths.js';

/** Rounds of create, look and replace before somebody else is taken to be doing the same. */
const MAX_ROUNDS = 5;

/**
 * Makes `path` an ephemeral node of this session with this data, and returns its state as read back. Rejects CONFLICT
 * when another process keeps putting its own there, or when what is there `isAnothers`, which is not replaced.
 */
export async function claim(
  session: ZkSession,
  path: string,
  data: Uint8Array,
  isAnothers?: (data: Uint8Array) => boolean,
): Promise<ZkStat> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const found = await session.exists(path);
    if (found === undefined) await createEphemeral(session, path, data).catch(ignore('NODE_EXISTS'));
    else if (isMine(session, found)) return session.set(path, data, found.version);
    else if (isAnothers !== undefined && (await holds(session, path, isAnothers))) {
      throw new PilotfishError('CONFLICT', `${path} is the entry of another instance`);
    } else await replace(session, path, data, found);
    const now = await session.exists(path);
    if (now !== undefined && isMine(session, now)) return now;
  }
  throw new PilotfishError('CONFLICT', `another process keeps taking ${path}`);
}

/**
 * Deletes the node if it belongs to this session, and reads back that none of this session is left. Ends early once
 * it `isTaken`, which is asked before each deletion: somebody has claimed the node meanwhile.
 */
export async function unclaim(session: ZkSession, path: string, isTaken: () => boolean): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const found = await session.exists(path);
    if (found === undefined || !isMine(session, found) || isTaken()) return;
    await session.delete(path, found.version).catch(ignore('NO_NODE', 'BAD_VERSION'));
  }
  throw new PilotfishError('CONFLICT', `another process keeps changing ${path}`);
}

export function isMine(session: ZkSession, stat: ZkStat): boolean {
  return stat.owner !== undefined && stat.owner === session.id;
}

/** Creates the node, and first the ones above it where they are missing. Resolves as `create` does. */
export async function createEphemeral(
  session: ZkSession,
  path: string,
  data: Uint8Array,
  kind: 'ephemeral' | 'ephemeral-sequential' = 'ephemeral',
): Promise<{ readonly path: string }> {
  for (let round = 0; ; round++) {
    try {
      return await session.create(path, data, kind);
    } catch (error) {
      if (!isZkError(error, 'NO_NODE') || round === MAX_ROUNDS) throw error;
      await createParent(session, path);
    }
  }
}

/** From below, as what is further up may be there, and not ours to write to. */
async function createParent(session: ZkSession, path: string): Promise<void> {
  const parent = parentOf(path);
  if (parent === undefined) return;
  try {
    await session.create(parent, new Uint8Array(), 'persistent').catch(ignore('NODE_EXISTS'));
  } catch (error) {
    if (!isZkError(error, 'NO_NODE')) throw error;
    await createParent(session, parent);
    await session.create(parent, new Uint8Array(), 'persistent').catch(ignore('NODE_EXISTS', 'NO_NODE'));
  }
}

/** Whether the data of the node satisfies the condition; false when there is none. */
export async function holds(
  session: ZkSession,
  path: string,
  condition: (data: Uint8Array) => boolean,
): Promise<boolean> {
  try {
    return condition((await session.get(path)).data);
  } catch (error) {
    if (isZkError(error, 'NO_NODE')) return false;
    throw error;
  }
}

/**
 * In one transaction where the driver has them. Otherwise both requests go out together and the server runs them back to
 * back, so the node is missing until the second one is written down: a reader that lists in that moment, about a
 * millisecond, misses it until the next event.
 */
async function replace(session: ZkSession, path: string, data: Uint8Array, old: ZkStat): Promise<void> {
  if (canReplace(session)) {
    await session.replace(path, data, old.version).catch(ignore('NO_NODE', 'BAD_VERSION', 'NODE_EXISTS'));
    return;
  }
  await Promise.all([
    session.delete(path, old.version).catch(ignore('NO_NODE', 'BAD_VERSION')),
    session.create(path, data, 'ephemeral').catch(ignore('NODE_EXISTS', 'NO_NODE')),
  ]);
}

/** For `catch`: swallows these errors and no other. */
export function ignore(...codes: Parameters<typeof isZkError>[1][]): (error: unknown) => void {
  return (error) => {
    if (!isZkError(error, ...codes)) throw error;
  };
}
