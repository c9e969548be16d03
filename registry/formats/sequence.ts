/** Names that end in the ten digits which ZooKeeper appends to those of sequential nodes; they order siblings by age. */

/** The name without its number. */
export function withoutSequence(name: string): string {
  return name.replace(/\d{10}$/, '');
}

/** The number a name ends in; -1 for one without. */
export function sequenceOf(name: string): number {
  const digits = /\d{10}$/.exec(name)?.[0];
  return digits === undefined ? -1 : Number(digits);
}
