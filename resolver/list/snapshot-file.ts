/**
 * One file that many processes read and replace: the old content or the new one, never half of it. It decides where
 * requests go, so it is read only where nobody else could have written it: a regular file of this user, in a directory of this
 * user, into which no other may write.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PilotfishError } from '../../runtime/errors.js';
import { MAX_SNAPSHOT_BYTES, type SnapshotOwner } from './snapshot-format.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
const WRITABLE_BY_OTHERS = 0o022;
const LEFTOVER_MS = 3_600_000;

export class SnapshotFile {
  readonly path: string;
  readonly #dir: string;
  readonly #name: string;
  #isSwept = false;

  constructor(dir: string, owner: SnapshotOwner) {
    this.#dir = dir;
    this.#name = fileNameOf(owner);
    this.path = join(dir, this.#name);
  }

  /**
   * Undefined when there is none. Rejects DENIED where another user could have written it, UNAVAILABLE when it is too large, and with
   * the system's error when it cannot be read.
   */
  async read(): Promise<Buffer | undefined> {
    try {
      await this.#checkDirectory();
      // A pipe would block the open, a link would lead elsewhere.
      const handle = await open(this.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const found = await handle.stat();
        if (!found.isFile()) throw denied(this.path, 'a regular file', 'something else');
        checkOwner(this.path, found);
        if (found.size > MAX_SNAPSHOT_BYTES) throw tooLarge(found.size, this.path);
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Replaces the file, and leaves the old one where that fails. Creates the directory for this user alone.
   *
   * @param wallNowMs By which unfinished files of an hour ago are known: their writers were killed.
   */
  async replace(data: Buffer, wallNowMs: number): Promise<void> {
    if (data.length > MAX_SNAPSHOT_BYTES) throw tooLarge(data.length, this.path);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await this.#checkDirectory();
    await this.#sweep(wallNowMs - LEFTOVER_MS);
    const unfinished = join(this.#dir, `.${this.#name}.${randomUUID().slice(0, 8)}`);
    try {
      const handle = await open(unfinished, 'wx', 0o600);
      try {
        await handle.writeFile(data);
        // A rename that outlives a power failure without its data would cost the last good file.
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, this.path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  /** Removes, once, what writers have left that were killed in the middle. */
  async #sweep(beforeMs: number): Promise<void> {
    if (this.#isSwept) return;
    this.#isSwept = true;
    for (const name of await readdir(this.#dir)) {
      if (!name.startsWith(`.${this.#name}.`)) continue;
      const path = join(this.#dir, name);
      const found = await lstat(path).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < beforeMs) await rm(path, { force: true });
    }
  }

  async #checkDirectory(): Promise<void> {
    const found = await lstat(this.#dir);
    if (!found.isDirectory()) throw denied(this.#dir, 'a directory', 'something else');
    checkOwner(this.#dir, found);
  }
}

/** A name of a service is a name of a file already; the registries are told apart by a hash. */
function fileNameOf({ service, source }: SnapshotOwner): string {
  const hash = createHash('sha256').update(JSON.stringify(source)).digest('hex').slice(0, 16);
  return `${service}.${hash}.snapshot`;
}

function checkOwner(path: string, { uid, mode }: { readonly uid: number; readonly mode: number }): void {
  const me = process.geteuid?.() ?? uid;
  if (uid !== me) throw denied(path, `one of this user (uid ${me})`, `uid ${uid}`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    throw denied(path, 'one that only its owner can write', `mode ${(mode & 0o777).toString(8)}`);
  }
}

function denied(path: string, expected: string, got: string): PilotfishError {
  return new PilotfishError('DENIED', `expected ${expected}, got ${got}, at ${path}`);
}

function tooLarge(bytes: number, path: string): PilotfishError {
  return new PilotfishError(
    'UNAVAILABLE',
    `expected at most ${MAX_SNAPSHOT_BYTES} bytes, got ${bytes}, at ${path}`,
  );
}
