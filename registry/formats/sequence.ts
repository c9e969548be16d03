/** Names that end in the ten digits which ZooKeeper appends to those of sequential nodes; they order siblings by age. */

const DIGITS = 10;

/** The name without its number. */
export function withoutSequence(name: string): string {
  return sequenceOf(name) < 0 ? name : name.slice(0, -DIGITS);
}

/** The number a name ends in; -1 for one without. */
export function sequenceOf(name: string): number {
  // Names may be as long as a whole entry, so only the end is looked at.
  const end = name.slice(-DIGITS);
  return /^\d{10}$/.test(end) ? Number(end) : -1;
}
