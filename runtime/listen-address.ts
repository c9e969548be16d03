/** Where a server on this host listens: an address and a port, or a unix socket, written `unix:/run/name.sock`. */
import { formatHostPort, type HostPort, parseHostPort } from './host-port.js';

export interface SocketFile {
  /** Absolute. */
  readonly socketPath: string;
}

export type ListenAddress = HostPort | SocketFile;

/** The longest that fits into the address of a unix socket on every system, with room for the way it is made. */
const MAX_SOCKET_PATH_BYTES = 90;

export function isSocketFile(address: ListenAddress): address is SocketFile {
  return 'socketPath' in address;
}

export function formatListenAddress(address: ListenAddress): string {
  return isSocketFile(address) ? `unix:${address.socketPath}` : formatHostPort(address);
}

/** Reads what `formatListenAddress` writes. Undefined when the text is no address. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (!text.startsWith('unix:')) return parseHostPort(text);
  const socketPath = text.slice('unix:'.length);
  const isRight =
    /^\/[^\0]*[^\0/]$/.test(socketPath) && Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES;
  return isRight ? { socketPath } : undefined;
}
