/** How a process ended, and the exit code that tells it on, as shells do. */
import { constants } from 'node:os';

export type Ending =
  | { readonly type: 'exited'; readonly code: number }
  | { readonly type: 'killed'; readonly signal: NodeJS.Signals };

/** From the two arguments of Node's `exit` event, of which one is null. */
export function endingOf(code: number | null, signal: NodeJS.Signals | null): Ending {
  return signal === null ? { type: 'exited', code: code ?? 1 } : { type: 'killed', signal };
}

/** Its own exit code, or 128 and the number of the signal that ended it. */
export function exitCodeOf(ending: Ending): number {
  return ending.type === 'exited' ? ending.code : 128 + constants.signals[ending.signal];
}

/** `exited with 3`, `was ended by SIGKILL`. */
export function describeEnding(ending: Ending): string {
  return ending.type === 'exited' ? `exited with ${ending.code}` : `was ended by ${ending.signal}`;
}
