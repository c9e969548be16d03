/**
 * Consul's maintenance mode, which is how an entry drains or is out of service: a check with a reserved id that is
 * critical, so that DNS, `?passing` and every other client leave the entry out while its TTL check goes on passing and
 * nothing reaps it. `consul maint` shows and ends it. Ours says why in its notes, in words that are read back.
 */
import type { Instance, InstanceStatus } from '../contract.js';
import { MAX_TEXT_LENGTH } from '../instance.js';

/** What the checks of a listed entry say, apart from maintenance. */
export type CheckHealth = 'passing' | 'warning';

/** The state of an entry. `note` is undefined when no maintenance gives one. */
export interface Condition {
  readonly status: InstanceStatus;
  readonly note: string | undefined;
  readonly health: CheckHealth;
}

/** A check as Consul gives it: `CheckID`, `Status`, `Notes` and more. */
export type Check = Readonly<Record<string, unknown>>;

const NODE_CHECK = '_node_maintenance';
const SERVICE_CHECK_PREFIX = '_service_maintenance:';
const REASON = /^pilotfish (draining|maintenance)(?:: (.*))?$/s;

/** The id of the maintenance check of an entry, as Consul itself would name it. */
export function maintenanceIdOf(entryId: string): string {
  return `${SERVICE_CHECK_PREFIX}${entryId}`;
}

/** The health that the TTL check of an instance shows: one that drains is kept alive like any other. */
export function healthOf(status: InstanceStatus): CheckHealth {
  return status === 'warning' ? 'warning' : 'passing';
}

/** The notes of the maintenance check of an instance; undefined for one that needs none. */
export function reasonOf({ status, note }: Instance): string | undefined {
  if (status !== 'draining' && status !== 'maintenance') return undefined;
  return `pilotfish ${status}${note === undefined ? '' : `: ${note}`}`;
}

/** True for a maintenance check that a pilotfish wrote, whichever it was. */
export function isOurs(check: Check | undefined): boolean {
  return typeof check?.Notes === 'string' && REASON.test(check.Notes);
}

/** True for a maintenance check that somebody else wrote, such as an operator by `consul maint`. */
export function isTheirs(check: Check | undefined): boolean {
  return check !== undefined && !isOurs(check);
}

/** The maintenance of an entry or of its node that somebody else began. */
export function maintenanceOfOthers(checks: Iterable<Check>): Check | undefined {
  return [...checks].find((check) => isMaintenance(check) && isTheirs(check));
}

/** The state of an instance, as an entry that is written right shows it. */
export function conditionOfInstance(instance: Instance): Condition {
  const { status, note } = instance;
  return { status, note: reasonOf(instance) === undefined ? undefined : note, health: healthOf(status) };
}

/**
 * What all checks of an entry say together; undefined when it is critical and so not to be listed. A maintenance that
 * somebody else began counts before one of ours, which may only drain. An entry without checks passes.
 */
export function conditionOf(checks: readonly Check[], ours: boolean): Condition | undefined {
  const health = aggregate(checks.filter((check) => !isMaintenance(check)));
  if (health === undefined) return undefined;
  const maintenance = maintenanceOfOthers(checks) ?? checks.find(isMaintenance);
  if (maintenance === undefined) return { status: health, note: undefined, health };
  return { ...read(maintenance.Notes, ours), health };
}

/** Warning over passing; undefined when any is critical. */
function aggregate(checks: readonly Check[]): CheckHealth | undefined {
  if (checks.every(({ Status }) => Status === 'passing')) return 'passing';
  return checks.every(({ Status }) => Status === 'passing' || Status === 'warning') ? 'warning' : undefined;
}

function isMaintenance({ CheckID }: Check): boolean {
  return CheckID === NODE_CHECK || String(CheckID).startsWith(SERVICE_CHECK_PREFIX);
}

/** Words of ours mean something only in an entry of ours; anything else is somebody's reason for a maintenance. */
function read(notes: unknown, ours: boolean): Omit<Condition, 'health'> {
  if (typeof notes !== 'string') return { status: 'maintenance', note: undefined };
  const [, status, note] = (ours ? REASON.exec(notes) : undefined) ?? [];
  if (status !== undefined) return { status: status as InstanceStatus, note };
  return { status: 'maintenance', note: notes.slice(0, MAX_TEXT_LENGTH) };
}
