/**
 * Writing one key with our lease, and taking it away again. The lease that the key is attached to decides whose it is; an
 * outcome that is unknown is looked up by the next round, as every write names the state that it replaces.
 */
import { PilotfishError } from '../../runtime/errors.js';
import type { CallOptions } from './client.js';
import type { KeyValue } from './decode.js';
import type { Entry, Store } from './store.js';

/** Rounds of look and replace before somebody else is taken to be doing the same. */
const MAX_ROUNDS = 5;

/**
 * Makes the key ours, whoever had it: one put moves it from the old lease to ours, so it is never missing and the end of
 * the old lease does not touch it. Returns the revision. Rejects CONFLICT when another process keeps putting its own.
 */
export async function claim(store: Store, key: string, entry: Entry, options: CallOptions): Promise<number> {
  const revision = await write(store, key, entry, 0, () => true, options);
  return revision as number;
}

/** Deletes the key, whoever had it: ours is not to be found for now, and nobody else's under its name. */
export async function vacate(store: Store, key: string, options: CallOptions): Promise<void> {
  let found = await store.get(key, options);
  for (let round = 0; found !== undefined; round++) {
    if (round === MAX_ROUNDS) throw new PilotfishError('CONFLICT', `another process keeps putting ${key}`);
    const deleted = await store.delete(key, found.modRevision, options);
    if (deleted.done) return;
    found = deleted.found;
  }
}

/** Replaces the data while the key is ours, or not there if that is right; undefined when it is gone or another's. */
export function rewrite(
  store: Store,
  key: string,
  entry: Entry,
  revision: number,
  mayBeAbsent: boolean,
  options: CallOptions,
): Promise<number | undefined> {
  const mayReplace = (found: KeyValue | undefined): boolean =>
    found === undefined ? mayBeAbsent : found.lease === entry.lease;
  return write(store, key, entry, revision, mayReplace, options);
}

/** Deletes the key as far as it is attached to this lease, and knows then that it is gone. */
export async function unclaim(
  store: Store,
  key: string,
  lease: string,
  options: CallOptions,
  isWanted: () => boolean = () => false,
): Promise<void> {
  let found = await store.get(key, options);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (found === undefined || found.lease !== lease || isWanted()) return;
    const deleted = await store.delete(key, found.modRevision, options);
    if (deleted.done) return;
    found = deleted.found;
  }
  throw new PilotfishError('CONFLICT', `another process keeps changing ${key}`);
}

async function write(
  store: Store,
  key: string,
  entry: Entry,
  revision: number,
  mayReplace: (found: KeyValue | undefined) => boolean,
  options: CallOptions,
): Promise<number | undefined> {
  let expected = revision;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const written = await store.put(key, entry, expected, options);
    if (written.done) return written.revision;
    const { found } = written;
    // An earlier try took effect and its answer was lost. What was there before any try may be about to be removed.
    if (
      expected !== 0 &&
      found !== undefined &&
      found.lease === entry.lease &&
      found.value.equals(entry.value)
    )
      return found.modRevision;
    if (!mayReplace(found)) return undefined;
    expected = found?.modRevision ?? 0;
  }
  throw new PilotfishError('CONFLICT', `another process keeps taking ${key}`);
}
