/**
 * A descriptor to which a write never waits, made of one that may. Not by a flag on that one: it belongs to whoever
 * inherited it from the same parent as well, such as the command below us, whose writes would begin to fail.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

export interface LogTarget {
  /** Writes what there is room for and returns how much that was; throws EAGAIN where there is none. */
  readonly write: (bytes: Uint8Array) => number;
  readonly close: () => void;
}

/** `fd` stays open. */
export function logTarget(fd: number): LogTarget {
  const own = openedAnew(fd);
  if (own === undefined) makeNonBlocking(fd);
  return {
    write: (bytes) => writeSync(own ?? fd, bytes),
    close: () => own !== undefined && closeSync(own),
  };
}

/** A pipe or a terminal can be opened again, with flags of its own. Undefined for what cannot, and for a file. */
function openedAnew(fd: number): number | undefined {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // A file never waits for a reader, and opened anew it would begin at its start.
    return fstatSync(fd).isFile()
      ? undefined
      : openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

/**
 * A socket, which is what systemd gives to its services, has its flags in one place; there Node's own stream sets it.
 * Starting a command that inherits the socket takes it back, for the command's sake: then a write may wait.
 */
function makeNonBlocking(fd: number): void {
  try {
    new Socket({ fd, readable: false, writable: true }).on('error', () => {});
  } catch {
    // A file, or nothing that could be a socket.
  }
}
