/** The lines of Node that pilotfish is shown to work on, and what it takes to belong to one. */

export interface NodeLine {
  readonly major: number;
  /** The first release of the line that pilotfish supports; see `engines` in package.json. */
  readonly lowestMinor: number;
  /** What is gotten where the machine has none, so that a run today and one next year try the same. */
  readonly pinned: string;
}

export const NODE_LINES: readonly NodeLine[] = [
  { major: 20, lowestMinor: 19, pinned: '20.20.2' },
  { major: 22, lowestMinor: 12, pinned: '22.23.3' },
  { major: 24, lowestMinor: 0, pinned: '24.21.0' },
  { major: 26, lowestMinor: 0, pinned: '26.10.0' },
];

/** @param version As `node --version` prints it, with or without the `v`. */
export function belongsTo({ major, lowestMinor }: NodeLine, version: string): boolean {
  const [ownMajor, ownMinor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return ownMajor === major && ownMinor >= lowestMinor;
}
