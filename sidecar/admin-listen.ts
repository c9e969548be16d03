/**
 * Binds the admin server to where it is to listen. A unix socket is bound in a directory that only we can enter, given
 * its mode and then moved into place: nobody meets it with another mode, and what a dead process left is replaced in the
 * same step.
 */
import { chmod, lstat, mkdtemp, rename, rmdir, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../runtime/errors.js';
import { reject } from '../runtime/expected.js';
import { formatHostPort } from '../runtime/host-port.js';
import { isSocketFile, type ListenAddress } from '../runtime/listen-address.js';

/** The owner and the group may ask. */
const SOCKET_MODE = 0o660;

export interface Bound {
  /** `http://host:port` with the port that was really taken, or `unix:/path`. */
  readonly url: string;
  /** To be called once the server is closed. */
  readonly remove: () => Promise<void>;
}

/**
 * Rejects with the system's error when the address cannot be had, and BAD_INPUT at `admin` when the socket file belongs
 * to a running process or is something else.
 */
export async function bind(server: Server, address: ListenAddress): Promise<Bound> {
  if (isSocketFile(address)) return bindSocketFile(server, address.socketPath);
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return { url: `http://${formatHostPort({ host: address.host, port })}`, remove: async () => {} };
}

async function bindSocketFile(server: Server, path: string): Promise<Bound> {
  await refuseUnlessFree(path);
  const directory = await mkdtemp(`${path}.`);
  const made = join(directory, 's');
  try {
    await listen(server, { path: made });
    await chmod(made, SOCKET_MODE);
    const { ino } = await lstat(made);
    await rename(made, path);
    return { url: `unix:${path}`, remove: () => removeOwn(path, ino) };
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rmdir(directory).catch(() => {});
  }
}

/** A file that nobody listens on any more is free to take. */
async function refuseUnlessFree(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  const expected = 'a path at which nothing is, or a socket on which nobody listens';
  if (!found.isSocket()) return reject('admin', expected, `something else at ${path}`);
  const answer = await knock(path);
  if (answer !== 'ECONNREFUSED') reject('admin', expected, `${answer} at ${path}`);
}

/** The code of the error that a connection ends with. */
function knock(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve('a running process');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? messageOf(error)));
  });
}

/** Not what somebody else has put in its place since. */
async function removeOwn(path: string, ino: number): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.ino === ino) await unlink(path).catch(() => {});
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, fail) => {
    server.once('error', fail);
    server.listen(where, () => {
      server.off('error', fail);
      resolve();
    });
  });
}
