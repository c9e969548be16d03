/**
 * Whether Consul shows an entry as we wrote it. The agent that owns it and the servers that readers ask are looked at in
 * the same way. A maintenance that somebody else began hides nothing of ours: theirs to begin is theirs to end.
 */

import { fieldsOf } from '../../runtime/fields.js';
import type { Instance } from '../contract.js';
import { sameInstance } from '../instance.js';
import { decodeEntry } from './decode.js';
import { checkIdOf, entryId } from './entry.js';
import {
  type Check,
  conditionOfInstance,
  healthOf,
  isTheirs,
  maintenanceIdOf,
  reasonOf,
} from './maintenance.js';

/** An entry with its checks by their ids. */
export interface ShownEntry {
  readonly service: unknown;
  readonly checks: ReadonlyMap<unknown, Check>;
}

export function shows({ service, checks }: ShownEntry, instance: Instance): boolean {
  const id = entryId(instance.service, instance.id);
  if (checks.get(checkIdOf(id))?.Status !== healthOf(instance.status)) return false;
  const maintenance = checks.get(maintenanceIdOf(id));
  if (!isTheirs(maintenance) && maintenance?.Notes !== reasonOf(instance)) return false;
  const decoded = decodeEntry(instance.service, fieldsOf(service), {}, conditionOfInstance(instance));
  return decoded.ok && sameInstance(decoded.value, instance);
}
